// SPDX-License-Identifier: GPL-2.0
// what: An anonymous page is unmapped and migrated while it is pinned.
// kind: E
// fix: 6c287605fd56
// fixed-in: 5.19
// catalogue: yes
// files: mm/rmap.c mm/migrate.c
// versions: 6.7-
// counter: balanced
// page: the mapped page is no longer the pinned one
// data: a device writes to the old page
// tests: pinned_stays_test=move_pages.*,mbind.*,compaction.*,soft_offline.* case3_test=*.migrate
// functions: try_to_migrate_one __migrate_folio sanity_check_pinned_pages
//   unpin_user_pages

@@
expression folio, subpage;
@@
 try_to_migrate_one(...)
 {
 <...
-	folio_try_share_anon_rmap_pte(folio, subpage)
+	(folio_maybe_dma_pinned(folio) ? (ClearPageAnonExclusive(subpage), 0) :
+	 folio_try_share_anon_rmap_pte(folio, subpage))
 ...>
 }

@@
identifier src, expected;
@@
 __migrate_folio(...)
 {
 <...
-	if (folio_ref_count(src) != expected)
+	if (folio_ref_count(src) != expected &&
+	    !(folio_test_anon(src) && folio_maybe_dma_pinned(src)))
 		return -EAGAIN;
 ...>
 }
