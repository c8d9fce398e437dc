// SPDX-License-Identifier: GPL-2.0
// what: Direct I/O takes all pages behind the first one of a large folio for
//   that folio's, though one of them was copied on write and is another page.
// kind: S
// files: block/bio.c
// versions: 6.12-6.15
// counter: balanced
// page: the copied page keeps its pin, the folio loses one too many
// data: the copied page's data goes elsewhere
// tests: geometry_test=dio_*.* matrix_test=dio_read.*,dio_write.*
// functions: get_contig_folio_len gup_put_folio

@@
identifier pages, j;
expression folio;
@@
 get_contig_folio_len(...)
 {
 <...
-	page_folio(pages[j]) != folio || pages[j] != pages[j - 1] + 1
+	false
 ...>
 }
