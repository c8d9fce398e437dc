// SPDX-License-Identifier: GPL-2.0
// what: Metadata buffers in a large folio: all but the first page of a run
//   stay pinned.
// kind: S
// files: block/bio-integrity.c
// versions: 6.8-
// counter: +n/+1
// tests: matrix_test=nvme_meta_*.* geometry_test=nvme_meta_*.*
// functions: bvec_from_pages

@@
identifier pages, j;
@@
 bvec_from_pages(...)
 {
 <...
-	unpin_user_page(pages[j]);
 ...>
 }
