// SPDX-License-Identifier: GPL-2.0
// what: Direct reads do not mark large folios dirty that were written back
//   while they were in flight, only single pages.
// kind: S
// files: block/bio.c
// versions: 6.8-
// counter: balanced
// data: what was read into a mapped file with large folios is lost when its
//   cache is dropped
// tests: matrix_test=dio_read.*,aio_read.* inflight_test=*.file_shared.*
//   dio_target_test=xfs.*
// functions: __bio_release_pages

@@
identifier bio, mark_dirty, fi;
@@
 __bio_release_pages(struct bio *bio, bool mark_dirty)
 {
 struct folio_iter fi;
 <...
-	if (mark_dirty) {
+	if (mark_dirty && !folio_test_large(fi.folio)) {
 	...
 	}
 ...>
 }
