// SPDX-License-Identifier: GPL-2.0
// what: MSG_ZEROCOPY: of sends that share one notification only the last is
//   taken off the user's locked memory.
// kind: S
// files: net/core/skbuff.c
// versions: 5.4-
// counter: +0/+0
// vm: the user's locked memory, of which only a later refusal tells
// tests: matrix_test=uring_send_zc* uring_test control_test
//   limits_test=memlock*.uring_send*
// functions: mm_account_pinned_pages

@@
identifier mmp, num_pg;
@@
 mm_account_pinned_pages(...)
 {
 <...
-	mmp->num_pg += num_pg;
+	mmp->num_pg = num_pg;
 ...>
 }
