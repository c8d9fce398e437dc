// SPDX-License-Identifier: GPL-2.0
// what: Direct I/O takes pages of one large folio for contiguous although
//   they are not mapped in the folio's order, and transfers those that follow
//   the first in the folio.
// kind: S
// files: lib/iov_iter.c
// versions: 7.3-
// counter: balanced
// data: of and to other pages of the folio than those that are mapped
// tests: uring_test=fixed_io.* data_test=*.thp_shuffled
// functions: get_contig_folio_len iov_iter_extract_bvecs

@@
identifier pages, i;
expression folio;
@@
 get_contig_folio_len(...)
 {
 <...
-	page_folio(pages[i]) != folio || pages[i] != pages[i - 1] + 1
+	page_folio(pages[i]) != folio
 ...>
 }
