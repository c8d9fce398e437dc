// SPDX-License-Identifier: GPL-2.0
// what: Replacing a fixed buffer forgets the one that was there.
// kind: S
// files: io_uring/rsrc.c
// versions: 6.1-
// counter: +N/+0
// tests: matrix_test=uring_update.* uring_test=update.*,in_flight.*
// functions: __io_sqe_buffers_update

@@
identifier err;
expression ctx, i;
@@
 __io_sqe_buffers_update(...)
 {
 <...
-	err = io_queue_rsrc_removal(ctx->buf_data, i, ctx->user_bufs[i]);
+	err = 0;
 ...>
 }

// Later buffers are nodes of a table.
@@
@@
 __io_sqe_buffers_update(...)
 {
 <...
-	io_reset_rsrc_node(...);
 ...>
 }
