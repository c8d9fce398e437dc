// SPDX-License-Identifier: GPL-2.0
// what: A zero-copy send from a fixed buffer holds the buffer until it is sent
//   off, not until the network is done with it.
// kind: S
// files: io_uring/net.c
// versions: 6.6-6.12
// counter: balanced, but released too early
// page: not pinned while a packet has it
// tests: uring_test matrix_test=uring_send_zc_fixed.*
// functions: io_send_zc_prep

@@
expression ctx, notif;
@@
 io_send_zc_prep(...)
 {
 <...
-	io_req_set_rsrc_node(notif, ctx, 0);
+	io_req_set_rsrc_node(req, ctx, 0);
 ...>
 }
