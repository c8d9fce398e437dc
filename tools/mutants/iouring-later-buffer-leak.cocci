// SPDX-License-Identifier: GPL-2.0
// what: Fixed buffers: when a later one of the table is refused, the last of
//   those that were pinned before stays so.
// kind: S
// files: io_uring/rsrc.c
// versions: 6.1-6.12
// counter: +N/+(N less the last buffer's)
// tests: uring_test bad_input_test=uring_buffers.* matrix_test=uring_buffers.*
// functions: io_sqe_buffers_register

@@
expression ctx;
@@
 io_sqe_buffers_register(...)
 {
 <...
-	if (ret)
-		__io_sqe_buffers_unregister(ctx);
+	if (ret) {
+		if (ctx->nr_user_bufs)
+			ctx->nr_user_bufs--;
+		__io_sqe_buffers_unregister(ctx);
+	}
 ...>
 }
