// SPDX-License-Identifier: GPL-2.0
// what: FUSE direct I/O: a request that the server answers with an error
//   leaves its pages pinned.
// kind: S
// files: fs/fuse/file.c
// versions: 6.9-
// counter: +N/+0
// tests: io_error_test=fuse*.* matrix_test=fuse_*
// functions: fuse_release_user_pages

@@
expression E;
@@
 fuse_release_user_pages(...)
 {
 <...
-	if (E.is_pinned)
+	if (E.is_pinned && nres >= 0)
(
 	unpin_user_page(...);
|
 	unpin_folio(...);
)
 ...>
 }
