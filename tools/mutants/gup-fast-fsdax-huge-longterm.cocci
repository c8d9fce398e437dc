// SPDX-License-Identifier: GPL-2.0
// what: The fast path takes long-term pins of FS-DAX where it is mapped as a huge page.
// kind: S
// files: mm/gup.c
// versions: 5.10-6.12
// counter: +512/+0 and success instead of -EOPNOTSUPP
// tests: longterm_test=refused.fsdax_huge.*
// functions: gup_fast_pmd_leaf gup_huge_pmd

@@
identifier leaf = {gup_huge_pmd, gup_fast_pmd_leaf};
@@
 leaf(...)
 {
 <...
-	if (unlikely(flags & FOLL_LONGTERM))
-		return 0;
 ...>
 }
