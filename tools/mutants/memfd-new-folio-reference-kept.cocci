// SPDX-License-Identifier: GPL-2.0
// what: memfd_pin_folios() keeps a plain reference on each folio that it had
//   to allocate.
// kind: S
// files: mm/gup.c
// versions: 6.12-
// counter: balanced
// page: one reference more, for ever: the page is never freed
// tests: matrix_test=udmabuf*,helper_memfd.*
//   geometry_test=udmabuf*,helper_memfd.* page_view_test
// functions: memfd_pin_folios

@@
expression folio;
@@
 memfd_pin_folios(...)
 {
 <...
-	folio_put(folio);
 ...>
 }
