// SPDX-License-Identifier: GPL-2.0
// what: The fast path meets a movable page that it must not pin for long, and
//   forgets the reference that it took to look at it.
// kind: S
// files: mm/gup.c
// versions: 6.12-
// needs: movable
// counter: balanced
// page: references left on each page that was moved
// tests: longterm_test=moves.*,cannot_move.*
// functions: try_grab_folio_fast

@@
expression folio, flags, refs;
@@
 if (unlikely((flags & FOLL_LONGTERM) && !folio_is_longterm_pinnable(folio))) {
(
-	if (!put_devmap_managed_folio_refs(folio, refs))
-		folio_put_refs(folio, refs);
|
-	folio_put_refs(folio, refs);
)
 	return NULL;
 }
