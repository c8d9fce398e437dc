// SPDX-License-Identifier: GPL-2.0
// what: Fixed buffers: when the allocation after pinning fails, the pages stay
//   pinned.
// kind: R
// fix: e1c75831f682
// fixed-in: 6.16
// catalogue: yes
// files: io_uring/rsrc.c
// versions: 6.1-
// counter: +N/+0, -ENOMEM
// tests: fail_nth_test=*uring* limits_test=*.uring*
// functions: io_sqe_buffer_register

@@
identifier imu, l;
@@
 io_sqe_buffer_register(...)
 {
 <...
 	imu = kvmalloc(...);
 	if (!imu)
-		goto l;
+	{
+		kvfree(pages);
+		return -ENOMEM;
+	}
 ...>
 }
