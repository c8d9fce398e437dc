// SPDX-License-Identifier: GPL-2.0
// what: memfd_pin_folios() pins a large folio once for each of its pages, not
//   once.
// kind: S
// files: mm/gup.c
// versions: 6.11-
// counter: +512/+1 for a huge page
// tests: matrix_test=udmabuf*,helper_memfd*
// functions: memfd_pin_folios

@@
expression folio;
@@
 memfd_pin_folios(...)
 {
 <...
-	try_grab_folio(folio, 1, FOLL_PIN)
+	try_grab_folio(folio, folio_nr_pages(folio), FOLL_PIN)
 ...>
 }
