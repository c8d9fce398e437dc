// SPDX-License-Identifier: GPL-2.0
// what: When pages cannot be moved for a long-term pin, those of the range
//   that need not move stay pinned.
// kind: S
// files: mm/gup.c
// versions: 6.12-
// needs: movable
// counter: see tests
// tests: longterm_test=cannot_move.*
// functions: migrate_longterm_unpinnable_folios
// equivalent: all entries were unpinned and cleared before migrate_pages() is
//   called, so that pofs_unpin() has nothing to do; only device-coherent folios,
//   which no test machine has, come to the error path with pins left. Another
//   negative control.

@@
expression pofs;
@@
 migrate_longterm_unpinnable_folios(...)
 {
 <...
-	pofs_unpin(pofs);
 ...>
 }
