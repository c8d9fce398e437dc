// SPDX-License-Identifier: GPL-2.0
// what: The fast path sees that a fork() ran meanwhile, and forgets to unpin
//   what it has before the slow path does it again.
// kind: S
// files: mm/gup.c
// versions: 5.11-
// counter: +N/+0 more than asked for, now and then
// tests: fork_test=race.*
// functions: gup_fast lockless_pages_from_mm

@@
expression pages, nr;
@@
-gup_fast_unpin_user_pages(pages, nr);
