// SPDX-License-Identifier: GPL-2.0
// what: A ring with a thread of its own that polls for requests (SQPOLL) does
//   not give its fixed buffers back when it is closed.
// kind: S
// files: io_uring/io_uring.c
// versions: 6.1-6.12
// counter: +N/+0
// tests: uring_test matrix_test=uring_buffers.*
// functions: io_ring_ctx_free

@@
expression ctx;
@@
 io_ring_ctx_free(...)
 {
 <...
-	if (ctx->buf_data)
+	if (ctx->buf_data && !(ctx->flags & IORING_SETUP_SQPOLL))
 		__io_sqe_buffers_unregister(ctx);
 ...>
 }
