// SPDX-License-Identifier: GPL-2.0
// what: AF_XDP: of a umem that is not a multiple of a page long, the last
//   page is not pinned.
// kind: S
// files: net/xdp/xdp_umem.c
// versions: 5.10-
// counter: +(N-1)/+0
// data: the end of the umem is no memory of the process
// tests: matrix_test=xdp_* geometry_test=xdp_* limits_test=memlock*.xdp_*
//   rlimit_test bad_input_test=xdp_*
// functions: xdp_umem_reg xdp_umem_pin_pages

@@
identifier npgs, npgs_rem;
@@
 xdp_umem_reg(...)
 {
 <...
-	if (npgs_rem)
-		npgs++;
 ...>
 }
