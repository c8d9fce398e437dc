// SPDX-License-Identifier: GPL-2.0
// what: Replacing a fixed buffer fails for want of memory, and the new one,
//   pinned already, stays so.
// kind: S
// files: io_uring/rsrc.c
// versions: 5.13-6.12
// counter: +N/+0, -ENOMEM
// vm: VmPin stays higher
// tests: fail_nth_test=uring_update*
// functions: __io_sqe_buffers_update

@@
identifier ctx, imu;
@@
 __io_sqe_buffers_update(...)
 {
 <...
-	io_buffer_unmap(ctx, &imu);
 	break;
 ...>
 }
