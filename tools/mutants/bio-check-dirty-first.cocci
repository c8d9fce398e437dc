// SPDX-License-Identifier: GPL-2.0
// what: Asynchronous direct reads look only at the first page whether it was
//   cleaned meanwhile.
// kind: S
// files: block/bio.c
// versions: 6.4-
// counter: balanced
// page: clean, though the device has written
// data: lost when the page is reclaimed
// tests: inflight_test matrix_test=aio_read.*
// functions: bio_check_pages_dirty

@@
iterator name bio_for_each_folio_all;
expression fi, bio;
@@
 bio_check_pages_dirty(...)
 {
 <...
 	bio_for_each_folio_all(fi, bio) {
 		if (!folio_test_dirty(fi.folio))
 			goto defer;
+		break;
 	}
 ...>
 }
