// SPDX-License-Identifier: GPL-2.0
// what: Before pages are moved out of ZONE_MOVABLE for a long-term pin they
//   are not unpinned, so that they cannot move.
// kind: S
// files: mm/gup.c
// versions: 6.12-
// needs: movable
// counter: +N/+0, -ENOMEM
// tests: longterm_test=moves.*
// functions: migrate_longterm_unpinnable_folios

@@
expression folio;
@@
 migrate_longterm_unpinnable_folios(...)
 {
 <...
-	unpin_folio(folio);
 ...>
 }
