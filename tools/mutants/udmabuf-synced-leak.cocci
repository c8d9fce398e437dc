// SPDX-License-Identifier: GPL-2.0
// what: udmabuf: a buffer for which a list of its pages was made, as the CPU
//   had access to it in turns with a device, stays pinned when it is released.
// kind: S
// files: drivers/dma-buf/udmabuf.c
// versions: 6.11-
// counter: +folios/+0
// tests: matrix_test=udmabuf_list.*
// functions: release_udmabuf

@@
expression ubuf;
expression list pins;
statement S;
identifier put;
@@
 release_udmabuf(...)
 {
 <...
-	if (ubuf->sg) S
-	put(pins);
+	if (ubuf->sg) S
+	else put(pins);
 ...>
 }
