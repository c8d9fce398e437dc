// SPDX-License-Identifier: GPL-2.0
// what: Long-term pins: pages that could not be isolated for migration are
//   taken for pages that need none.
// kind: R
// fix: 517f496e1e61
// fixed-in: 6.16
// catalogue: yes
// files: mm/gup.c
// versions: 6.12-
// needs: movable
// counter: balanced
// page: pages that stay pinned in ZONE_MOVABLE
// tests: longterm_test=moves.*
// functions: check_and_migrate_movable_pages

@@
identifier collected;
@@
 check_and_migrate_movable_pages_or_folios(...)
 {
 ...
-	if (!collected)
+	if (list_empty(&movable_folio_list))
 		return 0;
 ...
 }
