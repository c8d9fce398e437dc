// SPDX-License-Identifier: GPL-2.0
// what: Long-term pins that begin within a large folio leave as many pages
//   behind it unchecked as it has in front of the range: these may stay in
//   movable memory.
// kind: S
// files: mm/gup.c
// versions: 6.12-
// needs: movable
// counter: +N/+N where some need not be moved, or +2N/+2N
// page: pinned pages in ZONE_MOVABLE
// tests: longterm_test=moves.thp_row*
// functions: pofs_next_folio collect_longterm_unpinnable_folios

@@
symbol i, pofs, folio, index_ptr, start_pfn, end_pfn;
@@
 pofs_next_folio(...)
 {
 ...
 	if (...) {
-		const unsigned long start_pfn = folio_pfn(folio);
-		const unsigned long end_pfn = start_pfn + folio_nr_pages(folio);
-
-		for (; i < pofs->nr_entries; i++) { ... }
+		i = min(*index_ptr + folio_nr_pages(folio), pofs->nr_entries);
 	}
 ...
 }
