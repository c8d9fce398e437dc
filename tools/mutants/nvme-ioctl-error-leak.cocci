// SPDX-License-Identifier: GPL-2.0
// what: NVMe commands by ioctl that the device answers with an error leave their
//   pages pinned.
// kind: S
// files: drivers/nvme/host/ioctl.c
// versions: 6.5-
// counter: +N/+0, a status greater than 0
// tests: io_error_test bad_input_test matrix_test uring_test inflight_test
//   geometry_test teardown_test limits_test rlimit_test fail_nth_test
// functions: nvme_submit_user_cmd

@@
identifier bio;
symbol ret;
@@
 nvme_submit_user_cmd(...)
 {
 <...
-	if (bio)
+	if (bio && !ret)
 		blk_rq_unmap_user(bio);
 ...>
 }
