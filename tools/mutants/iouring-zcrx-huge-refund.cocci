// SPDX-License-Identifier: GPL-2.0
// what: Zero-copy receive: an area that is a part of a huge page is charged as
//   the whole huge page, but only its own pages are given back.
// kind: S
// files: io_uring/zcrx.c
// versions: 7.3-
// counter: balanced
// vm: VmPin
// tests: uring_test=zcrx.* matrix_test=uring_zcrx.*
// functions: io_zcrx_free_area io_unaccount_mem

@@
expression area, a, b;
@@
 io_zcrx_free_area(...)
 {
 <...
 	io_unaccount_mem(a, b,
-		area->mem.account_pages
+		area->mem.nr_folios
 		);
 ...>
 }
