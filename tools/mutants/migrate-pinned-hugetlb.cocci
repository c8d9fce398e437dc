// SPDX-License-Identifier: GPL-2.0
// what: A huge page of a file on hugetlbfs, or of a memfd of huge pages, is
//   migrated while it is pinned.
// kind: S
// files: mm/migrate.c
// versions: 7.3-
// counter: balanced
// page: the file's page is no longer the pinned one
// data: a device writes to the old page
// tests: pinned_stays_test=*.memfd_hugetlb
// functions: migrate_huge_page_move_mapping hugetlbfs_migrate_folio

@@
identifier src;
symbol expected_count;
@@
 migrate_huge_page_move_mapping(struct address_space *mapping,
 		struct folio *dst, struct folio *src)
 {
 <...
+	if (folio_maybe_dma_pinned(src))
+		expected_count = folio_ref_count(src);
 	if (folio_ref_count(src) != expected_count)
 		return -EAGAIN;
 ...>
 }
