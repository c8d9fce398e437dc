// SPDX-License-Identifier: GPL-2.0
// what: fork() lets the child share pinned huge pages of hugetlbfs with the
//   parent.
// kind: S
// files: mm/hugetlb.c
// versions: 6.8-
// counter: balanced
// data: what the parent writes never reaches the device
// log: sanity check of the unpinned pages, with CONFIG_DEBUG_VM
// tests: fork_test matrix_test=*.hugetlb.fork
// functions: copy_hugetlb_page_range sanity_check_pinned_pages

@@
expression pte_folio, src_vma;
@@
 copy_hugetlb_page_range(...)
 {
 <...
-	hugetlb_try_dup_anon_rmap(pte_folio, src_vma)
+	(hugetlb_try_dup_anon_rmap(pte_folio, src_vma) &&
+	 (ClearPageAnonExclusive(&pte_folio->page),
+	  hugetlb_try_dup_anon_rmap(pte_folio, src_vma)))
 ...>
 }
