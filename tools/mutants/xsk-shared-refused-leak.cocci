// SPDX-License-Identifier: GPL-2.0
// what: AF_XDP: a socket that is to share the umem of another one and is
//   refused, as it has a fill ring of its own, or for want of memory, keeps
//   a reference to the umem, which stays pinned for ever.
// kind: S
// files: net/xdp/xsk.c
// versions: 5.10-
// counter: +N/+0 once the owner is closed
// vm: the user's locked memory
// tests: xdp_test
// functions: xsk_bind xdp_get_umem

@@
identifier umem_xs, qid;
@@
 xsk_bind(...)
 {
 <...
+	xdp_get_umem(umem_xs->umem);
 	if (umem_xs->queue_id != qid || ...) { ... }
 	else { ... }
 	...
-	xdp_get_umem(umem_xs->umem);
 ...>
 }
