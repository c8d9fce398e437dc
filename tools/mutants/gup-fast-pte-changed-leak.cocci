// SPDX-License-Identifier: GPL-2.0
// what: The fast path pins a page, sees that the page table has changed
//   meanwhile, and forgets to unpin before the slow path does it again.
// kind: S
// files: mm/gup.c
// versions: 5.10-
// counter: +1/+0 for each time the race is lost
// tests: fork_test pinned_stays_test race_test
// functions: gup_fast_pte_range gup_pte_range

@@
identifier range = {gup_pte_range, gup_fast_pte_range};
expression folio, flags, pmd, pmdp, pte, ptep;
@@
 range(...)
 {
 <...
 	if (unlikely(pmd_val(pmd) != pmd_val(*pmdp)) ||
 	    unlikely(pte_val(pte) != pte_val(ptep_get(ptep)))) {
-		gup_put_folio(folio, 1, flags);
 		goto pte_unmap;
 	}
 ...>
 }
