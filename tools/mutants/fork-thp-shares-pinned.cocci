// SPDX-License-Identifier: GPL-2.0
// what: fork() lets the child share a pinned huge page of THP with the
//   parent.
// kind: E
// fix: d042035eaf5f
// fixed-in: 5.9
// files: mm/huge_memory.c
// versions: 6.8-
// counter: balanced
// data: what the parent writes never reaches the device
// log: sanity check of the unpinned pages, with CONFIG_DEBUG_VM
// tests: fork_test pinned_stays_test matrix_test=*.thp*.fork
// functions: copy_huge_pmd sanity_check_pinned_pages

@@
expression folio, page, vma;
@@
 copy_huge_pmd(...)
 {
 <...
-	folio_try_dup_anon_rmap_pmd(folio, page, vma)
+	(folio_try_dup_anon_rmap_pmd(folio, page, vma) &&
+	 (ClearPageAnonExclusive(page),
+	  folio_try_dup_anon_rmap_pmd(folio, page, vma)))
 ...>
 }
