// SPDX-License-Identifier: GPL-2.0
// what: AF_XDP: a socket that has a umem takes another one and forgets the
//   first, which stays pinned.
// kind: S
// files: net/xdp/xsk.c
// versions: 5.10-
// counter: +N/+0 and success instead of -EBUSY
// tests: matrix_test=xdp_* geometry_test=xdp_* limits_test=memlock*.xdp_*
//   rlimit_test bad_input_test=xdp_*
// functions: xsk_setsockopt xdp_umem_create

@@
identifier xs;
@@
 xsk_setsockopt(...)
 {
 <...
-	if (xs->state != XSK_READY || xs->umem)
+	if (xs->state != XSK_READY)
 	{ ... }
 ...>
 }
