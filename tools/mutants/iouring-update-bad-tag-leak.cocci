// SPDX-License-Identifier: GPL-2.0
// what: Replacing a fixed buffer: when its tag cannot be read, the new one,
//   pinned already, stays so.
// kind: S
// files: io_uring/rsrc.c
// versions: 6.1-6.12
// counter: +N/+0, -EFAULT
// tests: uring_test matrix_test=uring_* geometry_test=uring_*
//   limits_test=memlock*.uring_* rlimit_test bad_input_test=uring_*
//   inflight_test=*.uring.*
// functions: __io_sqe_buffers_update

@@
expression E;
identifier tag, tags;
statement S;
@@
 __io_sqe_buffers_update(...)
 {
 <...
-	if (tags && copy_from_user(&tag, E, sizeof(tag))) S
 ...>
 }

@@
identifier err, imu, last_hpage;
expression ctx, iov;
@@
 __io_sqe_buffers_update(...)
 {
 <...
 	err = io_sqe_buffer_register(ctx, iov, &imu, &last_hpage);
 	if (err)
 		break;
+	if (tags && copy_from_user(&tag, &tags[done], sizeof(tag))) {
+		err = -EFAULT;
+		break;
+	}
 ...>
 }
