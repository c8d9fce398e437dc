// SPDX-License-Identifier: GPL-2.0
// what: The first write to a write-protected huge page of hugetlbfs that
//   belongs to the process alone copies it if it is pinned.
// kind: S
// files: mm/hugetlb.c
// versions: 6.7-
// counter: balanced
// page: the mapped page is no longer the pinned one
// data: what the process writes never reaches the device
// log: sanity check of the unpinned pages, with CONFIG_DEBUG_VM
// tests: fork_test pinned_stays_test matrix_test=*.hugetlb*.fork
// functions: hugetlb_wp sanity_check_pinned_pages

@@
expression folio;
@@
 hugetlb_wp(...)
 {
 <...
-	if (folio_mapcount(folio) == 1 && folio_test_anon(folio)) {
+	if (folio_mapcount(folio) == 1 && folio_test_anon(folio) &&
+	    (!folio_maybe_dma_pinned(folio) ||
+	     (ClearPageAnonExclusive(&folio->page), 0))) {
 	...
 	}
 ...>
 }
