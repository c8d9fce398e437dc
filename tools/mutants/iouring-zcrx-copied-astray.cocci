// SPDX-License-Identifier: GPL-2.0
// what: Zero-copy receive: what must be copied goes to the page beside that of
//   the buffer which the completion names.
// kind: S
// files: io_uring/zcrx.c
// versions: 7.0-
// counter: balanced
// data: another page of the area has it
// tests: uring_test=zcrx.data
// functions: io_zcrx_iov_page io_zcrx_copy_chunk

@@
expression niov, shift;
@@
 io_zcrx_iov_page(...)
 {
 <...
-	net_iov_idx(niov) << shift
+	(net_iov_idx(niov) ^ 1) << shift
 ...>
 }
