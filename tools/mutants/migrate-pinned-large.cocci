// SPDX-License-Identifier: GPL-2.0
// what: An anonymous large folio that is mapped by pages is migrated as a
//   whole while it is pinned.
// kind: E
// fix: 6c287605fd56
// fixed-in: 5.19
// files: mm/rmap.c mm/migrate.c
// versions: 6.7-
// counter: balanced
// page: the mapped page is no longer the pinned one
// data: a device writes to the old page
// tests: pinned_stays_test
// functions: try_to_migrate_one __migrate_folio sanity_check_pinned_pages
//   unpin_user_pages

@@
expression folio, subpage;
@@
 try_to_migrate_one(...)
 {
 <...
-	folio_try_share_anon_rmap_pte(folio, subpage)
+	(folio_test_large(folio) && folio_maybe_dma_pinned(folio) ?
+	 (ClearPageAnonExclusive(subpage), 0) :
+	 folio_try_share_anon_rmap_pte(folio, subpage))
 ...>
 }

@@
identifier src, expected;
@@
 __migrate_folio(...)
 {
 <...
+	if (folio_test_anon(src) && folio_test_large(src) && folio_maybe_dma_pinned(src))
+		expected = folio_ref_count(src);
 	if (folio_ref_count(src) != expected)
 		return -EAGAIN;
 ...>
 }
