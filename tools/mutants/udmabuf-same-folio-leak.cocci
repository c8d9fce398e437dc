// SPDX-License-Identifier: GPL-2.0
// what: udmabuf: of two parts of a list that end and begin in the same folio
//   only one pin is noted.
// kind: S
// files: drivers/dma-buf/udmabuf.c
// versions: 6.11-6.12
// counter: +n/+(n-1)
// tests: matrix_test=udmabuf* geometry_test=udmabuf*
// functions: add_to_unpin_list

@@
identifier unpin_list, folio;
@@
 add_to_unpin_list(struct list_head *unpin_list, struct folio *folio)
 {
 	struct udmabuf_folio *ubuf_folio;
+	if (!list_empty(unpin_list) &&
+	    list_last_entry(unpin_list, struct udmabuf_folio, list)->folio == folio)
+		return 0;
 ...
 }
