// SPDX-License-Identifier: GPL-2.0
// what: Fixed buffers that are cloned: each ring that lets go of them gives
//   the charge back, not the last one alone.
// kind: S
// files: io_uring/rsrc.c
// versions: 6.12-6.12
// counter: balanced
// vm: VmPin is too low while one ring still has the buffers, and wraps below
//   zero when the other lets go
// tests: uring_test matrix_test=uring_* geometry_test=uring_*
//   limits_test=memlock*.uring_* rlimit_test bad_input_test=uring_*
//   inflight_test=*.uring.*
// functions: io_buffer_unmap io_unaccount_mem

@@
expression ctx;
identifier imu;
@@
 io_buffer_unmap(...)
 {
 <...
+	if (imu->acct_pages)
+		io_unaccount_mem(ctx, imu->acct_pages);
 	if (!refcount_dec_and_test(&imu->refs))
 		return;
 	...
-	if (imu->acct_pages)
-		io_unaccount_mem(ctx, imu->acct_pages);
 ...>
 }
