// SPDX-License-Identifier: GPL-2.0
// what: The fast path pins a huge page, sees that its entry has changed meanwhile,
//   and forgets all pins but one before the slow path does it again.
// kind: S
// files: mm/gup.c
// versions: 5.10-
// counter: +511/+0 for each time the race is lost
// tests: race_test
// functions: gup_fast_pmd_leaf gup_huge_pmd

@@
identifier leaf = {gup_huge_pmd, gup_fast_pmd_leaf};
expression folio, refs, flags, orig, pmdp;
@@
 leaf(...)
 {
 <...
 	if (unlikely(pmd_val(orig) != pmd_val(*pmdp))) {
-		gup_put_folio(folio, refs, flags);
+		gup_put_folio(folio, 1, flags);
 		return 0;
 	}
 ...>
 }
