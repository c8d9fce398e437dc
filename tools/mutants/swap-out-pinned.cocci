// SPDX-License-Identifier: GPL-2.0
// what: Reclaim swaps anonymous pages out that are pinned, so that the process
//   gets another page than the device.
// kind: S
// files: mm/vmscan.c mm/rmap.c
// versions: 6.8-6.18
// counter: balanced
// page: the mapped page is no longer the pinned one
// data: what the device writes does not reach the process
// log: sanity check of the unpinned pages, with CONFIG_DEBUG_VM
// tests: pinned_stays_test=pageout.*
// functions: sanity_check_pinned_pages unpin_user_page unpin_user_pages
//   shrink_folio_list try_to_unmap_one

@@
expression folio;
@@
 shrink_folio_list(...)
 {
 <...
-	if (folio_maybe_dma_pinned(folio))
-		goto keep_locked;
 ...>
 }

@@
expression folio, subpage;
symbol anon_exclusive;
@@
 try_to_unmap_one(...)
 {
 <...
-	folio_try_share_anon_rmap_pte(folio, subpage)
+	(folio_maybe_dma_pinned(folio) ? (ClearPageAnonExclusive(subpage), anon_exclusive = false, 0) :
+	 folio_try_share_anon_rmap_pte(folio, subpage))
 ...>
 }
