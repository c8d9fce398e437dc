// SPDX-License-Identifier: GPL-2.0
// what: Clearing the slot of a fixed buffer, by an update with an empty one,
//   forgets the buffer that was there.
// kind: S
// files: io_uring/rsrc.c
// versions: 6.1-6.12
// counter: +N/+0
// tests: uring_test matrix_test=uring_* geometry_test=uring_*
//   limits_test=memlock*.uring_* rlimit_test bad_input_test=uring_*
//   inflight_test=*.uring.*
// functions: __io_sqe_buffers_update

@@
expression ctx, i;
identifier dummy_ubuf, iov, err;
@@
 __io_sqe_buffers_update(...)
 {
 <...
 	err = io_sqe_buffer_register(ctx, iov, ...);
 	...
-	if (ctx->user_bufs[i] != &dummy_ubuf)
+	if (ctx->user_bufs[i] != &dummy_ubuf && iov->iov_base)
 	{ ... }
 ...>
 }
