// SPDX-License-Identifier: GPL-2.0
// what: A page of a file on a file system that uses buffers is migrated while
//   it is pinned.
// kind: S
// files: mm/migrate.c
// versions: 6.12-
// counter: balanced
// page: the file's page is no longer the pinned one
// data: a device writes to the old page
// tests: pinned_stays_test
// functions: __migrate_folio __buffer_migrate_folio __folio_migrate_mapping

@@
identifier mapping, dst, src, expected;
@@
 __buffer_migrate_folio(struct address_space *mapping, struct folio *dst,
 		struct folio *src, ...)
 {
 <...
+	if (folio_maybe_dma_pinned(src))
+		expected = folio_ref_count(src);
 	if (folio_ref_count(src) != expected)
 		return -EAGAIN;
 ...>
 }

@@
identifier mapping, dst, src, expected;
@@
 __migrate_folio(struct address_space *mapping, struct folio *dst,
 		struct folio *src, ...)
 {
 <...
+	if (mapping && folio_buffers(src) && folio_maybe_dma_pinned(src))
+		expected = folio_ref_count(src);
 	if (folio_ref_count(src) != expected)
 		return -EAGAIN;
 ...>
 }
