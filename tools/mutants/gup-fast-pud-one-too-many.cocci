// SPDX-License-Identifier: GPL-2.0
// what: The fast path takes one pin too many in a page of 1 GiB.
// kind: S
// files: mm/gup.c
// versions: 5.8-
// counter: +(n+1)/+n
// page: one pin stays
// tests: geometry_test=*.gigantic_part
// functions: gup_fast_pud_leaf gup_huge_pud

@@
identifier leaf = {gup_huge_pud, gup_fast_pud_leaf};
identifier grab = {try_grab_compound_head, try_grab_folio, try_grab_folio_fast};
expression page, refs, flags;
@@
 leaf(...)
 {
 <...
-	grab(page, refs, flags)
+	grab(page, refs + 1, flags)
 ...>
 }
