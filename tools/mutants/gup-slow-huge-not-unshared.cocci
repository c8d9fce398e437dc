// SPDX-License-Identifier: GPL-2.0
// what: The slow path pins a huge page that is shared since a fork() for
//   reading without unsharing it first.
// kind: S
// files: mm/gup.c
// versions: 6.10-
// counter: balanced
// page: the page is not exclusive to the process
// data: what the process writes after that never reaches the device
// log: BUG with CONFIG_DEBUG_VM
// tests: fork_test pinned_stays_test=written*
// functions: follow_huge_pmd sanity_check_pinned_pages

@@
expression pmd, vma, flags, page;
@@
 follow_huge_pmd(...)
 {
 <...
-	if (!pmd_write(pmd) && gup_must_unshare(vma, flags, page))
-		return ERR_PTR(-EMLINK);
-
-	VM_BUG_ON_PAGE(...);
 ...>
 }
