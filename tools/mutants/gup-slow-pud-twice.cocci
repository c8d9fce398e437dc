// SPDX-License-Identifier: GPL-2.0
// what: The slow path takes two pins on the first page that it finds in a page of 1 GiB.
// kind: S
// files: mm/gup.c
// versions: 6.11-
// counter: +(n+1)/+n
// page: one pin stays
// tests: geometry_test=*.gigantic_part
// functions: follow_huge_pud

@@
expression folio, flags;
@@
 follow_huge_pud(...)
 {
 <...
-	try_grab_folio(folio, 1, flags)
+	try_grab_folio(folio, 2, flags)
 ...>
 }
