// SPDX-License-Identifier: GPL-2.0
// what: The slow path takes all references of a large folio, but counts one
//   pin for each call.
// kind: S
// files: mm/gup.c
// versions: 6.11-
// counter: balanced
// page: the pin count of large folios is too low, and below zero in the end
// tests: page_view_test maybe_dma_pinned_test
//   matrix_test=helper_*.thp.*,xdp_umem.thp.*
// functions: try_grab_folio __get_user_pages gup_put_folio
//   free_tail_page_prepare bad_page

@@
expression folio, refs;
@@
 try_grab_folio(...)
 {
 <...
-	atomic_add(refs, &folio->_pincount);
+	atomic_inc(&folio->_pincount);
 ...>
 }
