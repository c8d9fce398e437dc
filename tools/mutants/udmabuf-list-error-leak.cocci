// SPDX-License-Identifier: GPL-2.0
// what: udmabuf: when a later part of the list is refused, the folios of the
//   parts before stay pinned.
// kind: S
// files: drivers/dma-buf/udmabuf.c
// versions: 6.12-
// counter: +folios/+0
// tests: matrix_test=udmabuf_list_bad.* fail_nth_test=udmabuf*
// functions: udmabuf_create

@@
@@
 udmabuf_create(...)
 {
 <...
-	unpin_all_folios(...);
 ...>
 }

// Later that and the arrays are one.
@@
@@
 udmabuf_create(...)
 {
 <...
-	deinit_udmabuf(...);
 ...>
 }
