// SPDX-License-Identifier: GPL-2.0
// what: unpin_user_page_range_dirty_lock() forgets where in its first large
//   folio the range starts.
// kind: S
// fix: 458a4f788f86
// catalogue: yes
// files: mm/gup.c
// versions: 5.18-
// counter: balanced
// page: pin counts of the two folios are wrong
// tests: matrix_test=rdma_rxe_mr*,iommufd* page_view_test maybe_dma_pinned_test
//   geometry_test=rdma*,helper_pin*,helper_longterm*
// functions: unpin_user_page_range_dirty_lock

@@
expression folio, next;
@@
 gup_folio_range_next(...)
 {
 <...
-	folio_nr_pages(folio) - folio_page_idx(folio, next)
+	folio_nr_pages(folio)
 ...>
 }
