// SPDX-License-Identifier: GPL-2.0
// what: udmabuf: a range that begins within a large folio has its offset in
//   each folio that follows, too: the buffer is short of the pages at their
//   front.
// kind: S
// files: drivers/dma-buf/udmabuf.c
// versions: 7.3-
// counter: balanced
// data: the buffer is too short, and has other pages of the later folios
// tests: geometry_test=udmabuf*.*
// functions: udmabuf_pin_folios udmabuf_vm_fault

@@
symbol pgoff;
@@
 udmabuf_pin_folios(...)
 {
 <...
-	pgoff = 0;
 ...>
 }
