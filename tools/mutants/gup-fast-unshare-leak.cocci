// SPDX-License-Identifier: GPL-2.0
// what: The fast path pins a page shared after fork() that must be unshared
//   first, and forgets to unpin before the slow path does so.
// kind: S
// files: mm/gup.c
// versions: 6.0-
// counter: +N/+0 more than asked for
// tests: matrix_test=*.cow.* fork_test case45_test
// functions: gup_fast_pte_range

@@
expression pte, flags, page, folio;
identifier l;
@@
 if (!pte_write(pte) && gup_must_unshare(NULL, flags, page)) {
-	gup_put_folio(folio, 1, flags);
 	goto l;
 }
