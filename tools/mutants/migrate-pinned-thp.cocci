// SPDX-License-Identifier: GPL-2.0
// what: An anonymous huge page is unmapped and migrated as a whole while it
//   is pinned.
// kind: E
// fix: 6c287605fd56
// fixed-in: 5.19
// files: mm/huge_memory.c mm/migrate.c
// versions: 6.7-
// counter: balanced
// page: the mapped page is no longer the pinned one
// data: a device writes to the old page
// tests: pinned_stays_test case45_test
// functions: set_pmd_migration_entry __migrate_folio
//   sanity_check_pinned_pages unpin_user_pages

@@
expression folio;
identifier page;
@@
 set_pmd_migration_entry(...)
 {
 <...
-	folio_try_share_anon_rmap_pmd(folio, page)
+	(folio_maybe_dma_pinned(folio) ? (ClearPageAnonExclusive(page), 0) :
+	 folio_try_share_anon_rmap_pmd(folio, page))
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
+	    !(folio_test_anon(src) && folio_test_large(src) &&
+	      folio_maybe_dma_pinned(src)))
 		return -EAGAIN;
+	expected = folio_ref_count(src);
 ...>
 }
