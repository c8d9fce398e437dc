// SPDX-License-Identifier: GPL-2.0
// what: RLIMIT_MEMLOCK is compared with what was charged before, not with
//   what will be: one buffer of any size gets through.
// kind: S
// files: io_uring/rsrc.c
// versions: 5.4-
// counter: +N/+0 and success instead of -ENOMEM
// vm: VmPin beyond RLIMIT_MEMLOCK
// tests: uring_test matrix_test=uring_* geometry_test=uring_*
//   limits_test=memlock*.uring_* rlimit_test bad_input_test=uring_*
//   inflight_test=*.uring.*
// functions: __io_account_mem

@@
identifier new_pages, page_limit;
@@
 __io_account_mem(...)
 {
 <...
-	if (new_pages > page_limit)
+	if (cur_pages > page_limit)
 		return -ENOMEM;
 ...>
 }
