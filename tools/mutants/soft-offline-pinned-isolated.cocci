// SPDX-License-Identifier: GPL-2.0
// what: Soft offlining cannot move a page, as it is pinned, and does not put it
//   back to the LRU lists, with a reference on it.
// kind: S
// files: mm/memory-failure.c
// versions: 5.16-
// counter: balanced
// page: a plain reference more, not on LRU; counts as isolated; never freed
// tests: pinned_stays_test=soft_offline*
// functions: soft_offline_in_use_page soft_offline_page

@@
@@
 soft_offline_in_use_page(...)
 {
 <...
-	if (!list_empty(&pagelist))
-		putback_movable_pages(&pagelist);
 ...>
 }
