// SPDX-License-Identifier: GPL-2.0
// what: The first write to a write-protected huge page of THP that belongs to
//   the process alone splits it, and copies the page, if it is pinned.
// kind: S
// files: mm/huge_memory.c
// versions: 6.0-
// counter: balanced
// data: what the process writes never reaches the device
// log: sanity check of the unpinned pages, with CONFIG_DEBUG_VM
// tests: fork_test pinned_stays_test=written*
// functions: do_huge_pmd_wp_page sanity_check_pinned_pages

@@
expression page;
symbol folio, vmf;
@@
 do_huge_pmd_wp_page(...)
 {
 ... when any
+	if (!(vmf->flags & FAULT_FLAG_UNSHARE) &&
+	    folio_maybe_dma_pinned(folio))
+		ClearPageAnonExclusive(page);
 	if (PageAnonExclusive(page))
 		goto reuse;
 ... when any
 }
