// SPDX-License-Identifier: GPL-2.0
// what: Long-term pins: pages that were touched just now, and so are not on the
//   LRU lists yet, are not put there before they are to be moved out of
//   ZONE_MOVABLE, and it is tried again and again.
// kind: S
// files: mm/gup.c
// versions: 6.1-
// needs: movable
// counter: pinned and unpinned without end, or very many times
// log: no return of who pins
// tests: longterm_test
// functions: collect_longterm_unpinnable_folios
//   collect_longterm_unpinnable_pages migrate_longterm_unpinnable_folios
//   check_and_migrate_movable_pages_or_folios

@@
identifier collect = {collect_longterm_unpinnable_folios, collect_longterm_unpinnable_pages};
@@
 collect(...)
 {
 <...
(
-	lru_add_drain();
|
-	lru_add_drain_all();
)
 ...>
 }
