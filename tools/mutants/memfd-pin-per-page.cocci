// SPDX-License-Identifier: GPL-2.0
// what: memfd_pin_folios() pins a large folio once for each of its pages that
//   the page cache lists, not once.
// kind: S
// files: mm/gup.c
// versions: 6.11-
// counter: more than one pin a folio
// tests: matrix_test=udmabuf*,helper_memfd*
// functions: memfd_pin_folios

@@
expression E;
@@
 memfd_pin_folios(...)
 {
 <...
-	if (next_idx && next_idx != E)
-		continue;
 ...>
 }
