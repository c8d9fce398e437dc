// SPDX-License-Identifier: GPL-2.0
// what: A zero-copy send from ordinary memory, of a request without
//   IORING_SEND_ZC_REPORT_USAGE, stays charged to the user.
// kind: S
// files: io_uring/notif.c
// versions: 6.6-
// counter: +0/+0
// vm: the user's locked memory, of which only a later refusal tells
// tests: uring_test matrix_test=uring_* geometry_test=uring_*
//   limits_test=memlock*.uring_* rlimit_test bad_input_test=uring_*
//   inflight_test=*.uring.*
// functions: io_notif_tw_complete

@@
expression nd;
identifier notif;
@@
 io_notif_tw_complete(...)
 {
 <...
-	if (nd->account_pages && notif->ctx->user) {
+	if (nd->account_pages && notif->ctx->user && nd->zc_report) {
 	...
 	}
 ...>
 }
