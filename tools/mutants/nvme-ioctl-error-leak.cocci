// SPDX-License-Identifier: GPL-2.0
// what: NVMe commands by ioctl that the device answers with an error leave their
//   pages pinned.
// kind: S
// files: drivers/nvme/host/ioctl.c
// versions: 6.5-
// counter: +N/+0, a status greater than 0
// tests: matrix_test=nvme_*,uring_nvme_* geometry_test=nvme_*,uring_nvme_*
//   fail_nth_test=nvme_*,uring_nvme_* io_error_test=nvme.*
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
