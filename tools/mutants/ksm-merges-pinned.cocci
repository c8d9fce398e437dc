// SPDX-License-Identifier: GPL-2.0
// what: KSM merges a page that is pinned, so that the process and the device
//   have different pages.
// kind: E
// files: mm/ksm.c
// versions: 6.7-
// counter: balanced
// page: the mapped page is no longer the pinned one
// data: what the device writes does not reach the process
// log: sanity check of the unpinned pages, with CONFIG_DEBUG_VM
// tests: pinned_stays_test=ksm.*
// functions: sanity_check_pinned_pages unpin_user_page unpin_user_pages
//   write_protect_page folio_set_stable_node

@@
expression folio, refs;
@@
 write_protect_page(...)
 {
 <...
-	if (refs != folio_ref_count(folio))
+	if (refs != folio_ref_count(folio) && !folio_maybe_dma_pinned(folio))
 	{ ... }
 ...>
 }

@@
expression folio, page;
@@
 write_protect_page(...)
 {
 <...
-	folio_try_share_anon_rmap_pte(folio, page)
+	(folio_maybe_dma_pinned(folio) ? (ClearPageAnonExclusive(page), 0) :
+	 folio_try_share_anon_rmap_pte(folio, page))
 ...>
 }
