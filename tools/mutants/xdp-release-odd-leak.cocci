// SPDX-License-Identifier: GPL-2.0
// what: AF_XDP: of a umem with an odd number of pages the last one stays
//   pinned.
// kind: S
// files: net/xdp/xdp_umem.c
// versions: 5.10-
// counter: +N/+(N-1)
// tests: matrix_test=xdp_umem.* bad_input_test=xdp_umem.* rlimit_test=xdp_umem
// functions: xdp_umem_unpin_pages

@@
expression E1, E2;
@@
 xdp_umem_unpin_pages(...)
 {
 <...
-	unpin_user_pages_dirty_lock(E1, E2, true);
+	unpin_user_pages_dirty_lock(E1, E2 & ~1UL, true);
 ...>
 }
