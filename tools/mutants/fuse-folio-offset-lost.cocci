// SPDX-License-Identifier: GPL-2.0
// what: FUSE direct I/O: memory in a large folio is transferred from, or to,
//   the first page of the folio, whichever page of it was asked for.
// kind: S
// files: fs/fuse/file.c
// versions: 7.3-
// counter: balanced
// data: of and to the first page of the folio
// tests: data_test=fuse_*.* geometry_test=fuse_*.*
// functions: fuse_get_user_pages

@@
expression folio, page;
symbol start;
@@
 fuse_get_user_pages(...)
 {
 <...
-	start + (folio_page_idx(folio, page) << PAGE_SHIFT)
+	start
 ...>
 }
