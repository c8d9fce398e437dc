// SPDX-License-Identifier: GPL-2.0
// what: A zero-copy send from a fixed buffer, which is charged already, is
//   charged again until the network is done with it, as one from ordinary
//   memory.
// kind: S
// files: io_uring/net.c
// versions: 6.10-6.14
// counter: balanced
// vm: the user's locked memory: the send is refused at RLIMIT_MEMLOCK
// tests: uring_test=charge.*
// functions: io_send_zc_import

@@
expression kmsg;
@@
 io_send_zc_import(...)
 {
 <...
 	kmsg->msg.sg_from_iter = io_sg_from_iter;
+	ret = io_notif_account_mem(sr->notif, sr->len);
+	if (unlikely(ret))
+		return ret;
 ...>
 }
