// SPDX-License-Identifier: GPL-2.0
// what: A second pin of a page of a large folio, as the old direct I/O code
//   takes, is not in the pin count.
// kind: S
// files: mm/gup.c
// versions: 6.5-7.3
// counter: as without it
// page: the pin count of large folios is below zero in the end
// log: the folio's pin count is not 0 when it is freed
// tests: page_view_test maybe_dma_pinned_test node_test
//   dio_target_test=vfat.*
//   matrix_test=helper_memfd.*,udmabuf*,uring_*.thp*,dio_*.thp*
//   geometry_test=udmabuf*,helper_memfd.*,uring_buffers.*
// functions: folio_add_pin gup_put_folio free_tail_page_prepare bad_page
//   dio_bio_add_page submit_page_section do_direct_IO

@@
expression folio;
@@
 folio_add_pin(...)
 {
 <...
-	atomic_inc(&folio->_pincount);
 ...>
 }
