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
 int io_sqe_buffer_register(...)
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

// Later it returns a node, and what it has is freed at the end.
@@
identifier imu, l;
@@
 struct io_rsrc_node *io_sqe_buffer_register(...)
 {
 <...
(
 	imu = kvmalloc(...);
|
 	imu = io_alloc_imu(...);
)
 	if (!imu)
-		goto l;
+	{
+		kvfree(pages);
+		pages = NULL;
+		goto l;
+	}
 ...>
 }
