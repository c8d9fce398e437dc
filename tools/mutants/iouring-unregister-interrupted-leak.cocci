// SPDX-License-Identifier: GPL-2.0
// what: Fixed buffers that could not be unregistered, as a signal came while
//   requests were in flight, are forgotten: the ring's end leaves them
//   pinned.
// kind: S
// files: io_uring/rsrc.c
// versions: 5.13-6.12
// counter: +N/+0
// tests: uring_test matrix_test=uring_* geometry_test=uring_*
//   limits_test=memlock*.uring_* rlimit_test bad_input_test=uring_*
//   inflight_test=*.uring.*
// functions: io_sqe_buffers_unregister __io_sqe_buffers_unregister

@@
expression ctx, ret;
identifier nr;
@@
 io_sqe_buffers_unregister(...)
 {
 <...
-	ctx->nr_user_bufs = nr;
 	if (!ret)
+	{
+		ctx->nr_user_bufs = nr;
 		__io_sqe_buffers_unregister(ctx);
+	}
 ...>
 }
