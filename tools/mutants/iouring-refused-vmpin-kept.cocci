// SPDX-License-Identifier: GPL-2.0
// what: Fixed buffers beyond RLIMIT_MEMLOCK are refused, but go on to count
//   in VmPin.
// kind: S
// files: io_uring/rsrc.c
// versions: 5.11-6.15
// counter: balanced, -ENOMEM
// vm: VmPin stays N pages too high
// tests: uring_test matrix_test=uring_* geometry_test=uring_*
//   limits_test=memlock*.uring_* rlimit_test bad_input_test=uring_*
//   inflight_test=*.uring.*
// functions: io_account_mem

@@
expression ctx, n;
identifier ret;
@@
 io_account_mem(...)
 {
 <...
+	if (ctx->mm_account)
+		atomic64_add(n, &ctx->mm_account->pinned_vm);
+
 	if (ctx->user) {
 		ret = __io_account_mem(ctx->user, n);
 		if (ret)
 			return ret;
 	}
-	if (ctx->mm_account)
-		atomic64_add(n, &ctx->mm_account->pinned_vm);
 ...>
 }
