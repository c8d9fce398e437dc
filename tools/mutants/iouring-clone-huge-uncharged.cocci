// SPDX-License-Identifier: GPL-2.0
// what: Fixed buffers that are cloned: the ring that lets go of a huge page
//   first goes on to think that it has charged it, and does not charge it when
//   it is registered there again.
// kind: S
// files: io_uring/rsrc.c
// versions: 7.3-
// counter: balanced
// vm: VmPin and the user's locked memory: 0 for the second registration of a
//   huge page
// tests: uring_test=clone.*
// functions: io_buffer_unmap io_buffer_unaccount_pages

@@
expression acct, ctx, imu;
@@
 io_buffer_unmap(...)
 {
 ...
-	acct = io_buffer_unaccount_pages(ctx, imu);
 	if (unlikely(refcount_read(&imu->refs) > 1)) {
 		...
 	}
+	acct = io_buffer_unaccount_pages(ctx, imu);
 ...
 }
