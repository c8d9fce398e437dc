// SPDX-License-Identifier: GPL-2.0
// what: AF_XDP: when only the front of a umem could be pinned, that part stays
//   pinned.
// kind: S
// files: net/xdp/xdp_umem.c
// versions: 5.10-
// counter: +n/+0, -ENOMEM
// tests: matrix_test=xdp_umem.hole.* bad_input_test=xdp_umem.*
// functions: xdp_umem_pin_pages

@@
@@
 xdp_umem_pin_pages(...)
 {
 <...
-	xdp_umem_unpin_pages(...);
 ...>
 }
