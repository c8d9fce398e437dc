// SPDX-License-Identifier: GPL-2.0
// what: Direct reads: of the folios that the device has written to only the
//   first is marked dirty when they are unpinned.
// kind: S
// files: block/bio.c
// versions: 6.12-
// counter: balanced
// page: clean, though the device has written
// data: lost when the page is reclaimed
// tests: case45_test matrix_test=dio_read.*,dio_readv.*,sg_io_read.*
// functions: __bio_release_pages

@@
symbol mark_dirty;
expression folio, n;
@@
 __bio_release_pages(...)
 {
 <...
 	unpin_user_folio(folio, n);
+	mark_dirty = false;
 ...>
 }
