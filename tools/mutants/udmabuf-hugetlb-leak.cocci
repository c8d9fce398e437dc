// SPDX-License-Identifier: GPL-2.0
// what: udmabuf: huge pages of a memfd stay pinned when the buffer is released.
// kind: S
// files: drivers/dma-buf/udmabuf.c
// versions: 6.11-6.12
// counter: +n/+0 for huge pages
// tests: matrix_test=udmabuf* geometry_test=udmabuf*
//   limits_test=memlock*.udmabuf*
// functions: unpin_all_folios

@@
identifier f;
@@
 unpin_all_folios(...)
 {
 <...
-	unpin_folio(f->folio);
+	if (!folio_test_hugetlb(f->folio))
+		unpin_folio(f->folio);
 ...>
 }
