// SPDX-License-Identifier: GPL-2.0
// what: unpin_user_page_range_dirty_lock() unpins, but does not mark dirty
//   what was written to.
// kind: S
// files: mm/gup.c
// versions: 5.14-
// counter: balanced
// page: clean, though a device has written
// data: lost when the page is reclaimed
// tests: matrix_test=helper_longterm.*,rdma_rxe_mr.*,iommufd_map.* case45_test
//   page_view_test rdma_test iommufd_test
// functions: unpin_user_page_range_dirty_lock

@@
expression folio;
@@
 unpin_user_page_range_dirty_lock(...)
 {
 <...
-	if (make_dirty && !folio_test_dirty(folio)) { ... }
 ...>
 }
