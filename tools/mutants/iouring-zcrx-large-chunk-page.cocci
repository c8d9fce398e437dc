// SPDX-License-Identifier: GPL-2.0
// what: Zero-copy receive with buffers of more than a page: what must be copied
//   goes to the page with the buffer's number, as if each were one page.
// kind: S
// files: io_uring/zcrx.c
// versions: 7.0-
// counter: balanced
// data: comes to an earlier page of the area than the completion says
// tests: uring_test=zcrx*

@@
expression niov, shift;
@@
 io_zcrx_iov_page(...)
 {
 <...
-	net_iov_idx(niov) << shift
+	net_iov_idx(niov)
 ...>
 }
