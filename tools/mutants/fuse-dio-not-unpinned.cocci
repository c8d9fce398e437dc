// SPDX-License-Identifier: GPL-2.0
// what: FUSE direct I/O believes that its pages are not pinned.
// kind: S
// fix: 738adade96b2
// fixed-in: 6.9
// catalogue: yes
// files: fs/fuse/file.c
// versions: 6.9-
// counter: +N/+0
// tests: matrix_test=fuse_*
// functions: fuse_get_user_pages

@@
expression E;
@@
 fuse_get_user_pages(...)
 {
 <...
-	E.is_pinned = iov_iter_extract_will_pin(...);
+	E.is_pinned = false;
 ...>
 }
