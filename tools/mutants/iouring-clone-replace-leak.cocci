// SPDX-License-Identifier: GPL-2.0
// what: Fixed buffers: cloned buffers that replace those of the same slots
//   leave the replaced ones pinned.
// kind: S
// files: io_uring/rsrc.c
// versions: 7.3-
// counter: +N/+0 for the replaced buffers, even after both rings are gone
// vm: VmPin
// tests: uring_test matrix_test=uring_* geometry_test=uring_*
//   limits_test=memlock*.uring_* rlimit_test teardown_test
//   bad_input_test=uring_* fail_nth_test=uring_* race_test
// functions: io_clone_buffers io_free_rsrc_node

@@
identifier i;
symbol nbufs;
expression arg, ctx;
@@
 io_clone_buffers(...)
 {
 <...
-	i < min(arg->dst_off, ctx->buf_table.nr)
+	i < min(nbufs, ctx->buf_table.nr)
 ...>
 }
