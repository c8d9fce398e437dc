// SPDX-License-Identifier: GPL-2.0
// what: Fixed buffers beyond RLIMIT_MEMLOCK are refused, but stay pinned.
// kind: S
// files: io_uring/rsrc.c
// versions: 6.1-
// counter: +N/+0, -ENOMEM
// tests: rlimit_test=uring_buffers
// functions: io_sqe_buffer_register

@@
identifier ret, l;
@@
 int io_sqe_buffer_register(...)
 {
 <...
 	ret = io_buffer_account_pin(...);
 	if (ret)
-		goto l;
+		return ret;
 ...>
 }

// Later it returns a node.
@@
identifier ret, l;
@@
 struct io_rsrc_node *io_sqe_buffer_register(...)
 {
 <...
 	ret = io_buffer_account_pin(...);
 	if (ret)
-		goto l;
+		return ERR_PTR(ret);
 ...>
 }
