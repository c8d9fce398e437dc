// SPDX-License-Identifier: GPL-2.0
// what: The fast path pins a huge page shared after fork() that must be
//   unshared first, and forgets to unpin before the slow path does so.
// kind: S
// files: mm/gup.c
// versions: 6.0-
// counter: +N/+0 more than asked for
// tests: fork_test case45_test geometry_test=*.thp_cow matrix_test=*.huge_zero.*,*.thp.fork
// functions: gup_fast_pmd_leaf gup_huge_pmd

@@
expression pmd, flags, folio, refs;
@@
 if (!pmd_write(pmd) && gup_must_unshare(NULL, flags, ...)) {
-	gup_put_folio(folio, refs, flags);
 	return 0;
 }
