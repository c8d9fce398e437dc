// SPDX-License-Identifier: GPL-2.0
// what: Long-term pins leave huge pages of hugetlbfs in ZONE_MOVABLE.
// kind: S
// files: mm/gup.c
// versions: 6.12-
// needs: movable
// counter: +N/+0 instead of +2N/+N
// page: pinned pages in ZONE_MOVABLE
// tests: longterm_test
// functions: collect_longterm_unpinnable_folios try_grab_folio_fast

@@
expression folio;
@@
 collect_longterm_unpinnable_folios(...)
 {
 <...
-	if (folio_is_longterm_pinnable(folio))
+	if (folio_is_longterm_pinnable(folio) || folio_test_hugetlb(folio))
 		continue;
 ...>
 }

@@
expression folio;
@@
 try_grab_folio_fast(...)
 {
 <...
-	!folio_is_longterm_pinnable(folio)
+	(!folio_is_longterm_pinnable(folio) && !folio_test_hugetlb(folio))
 ...>
 }
