// SPDX-License-Identifier: GPL-2.0
// what: A zero-copy sendmsg from several parts of a fixed buffer holds the
//   buffer until it is sent off, not until the network is done with it.
// kind: S
// files: io_uring/net.c
// versions: 7.3-
// counter: balanced, but released too early
// page: not pinned while a packet has it
// tests: uring_test=in_flight.*,*zc*
// functions: io_send_zc_import io_import_reg_vec

@@
identifier req, notif;
expression dir, iter;
@@
 io_send_zc_import(struct io_kiocb *req, ...)
 {
 <...
 	io_import_reg_vec(dir, iter,
-			notif
+			req
 			, ...)
 ...>
 }
