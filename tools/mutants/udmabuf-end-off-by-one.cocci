// SPDX-License-Identifier: GPL-2.0
// what: udmabuf: the range that is pinned ends a byte too late, in the next
//   folio, which is then forgotten if folios are large.
// kind: S
// files: drivers/dma-buf/udmabuf.c
// versions: 6.12-
// counter: +(n+1)/+n, or an error where the file ends
// tests: matrix_test=udmabuf* geometry_test=udmabuf*
//   limits_test=memlock*.udmabuf*
// functions: udmabuf_pin_folios

@@
expression end, start, pgcnt;
@@
 udmabuf_pin_folios(...)
 {
 <...
-	end = start + (pgcnt << PAGE_SHIFT) - 1;
+	end = start + (pgcnt << PAGE_SHIFT);
 ...>
 }
