// SPDX-License-Identifier: GPL-2.0
// what: Long-term pins leave their pages in ZONE_MOVABLE.
// kind: R
// fix: d1e153fea2a8
// fixed-in: 5.13
// catalogue: yes
// files: mm/gup.c
// versions: 6.12-
// needs: movable
// counter: +N/+N instead of +2N/+2N
// page: pinned pages in ZONE_MOVABLE
// tests: longterm_test=moves.*
// functions: try_grab_folio_fast

@@
expression folio;
@@
 collect_longterm_unpinnable_folios(...)
 {
 <...
-	if (folio_is_longterm_pinnable(folio))
+	if (folio_is_longterm_pinnable(folio) || folio_is_zone_movable(folio))
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
+	(!folio_is_longterm_pinnable(folio) && !folio_is_zone_movable(folio))
 ...>
 }
