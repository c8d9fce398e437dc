// SPDX-License-Identifier: GPL-2.0
// what: A ring of provided buffers in user memory that is still registered
//   when its io_uring ends stays pinned.
// kind: S
// files: io_uring/kbuf.c
// versions: 6.10-
// counter: +N/+0
// tests: uring_test matrix_test=uring_* geometry_test=uring_*
//   limits_test=memlock*.uring_* rlimit_test bad_input_test=uring_*
//   inflight_test=*.uring.*
// functions: io_destroy_buffers io_put_bl

@@
expression ctx;
identifier bl;
@@
 io_destroy_buffers(...)
 {
 <...
+	if (!(bl->flags & IOBL_BUF_RING))
 	io_put_bl(ctx, bl);
 ...>
 }
