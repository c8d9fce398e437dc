// SPDX-License-Identifier: GPL-2.0
// what: NVMe commands by ioctl whose buffer is a list of pieces
//   (NVME_IOCTL_IO64_CMD_VEC) leave their pages pinned.
// kind: S
// files: drivers/nvme/host/ioctl.c
// versions: 6.5-
// counter: +N/+0
// tests: matrix_test=nvme_*,uring_nvme_* geometry_test=nvme_*,uring_nvme_*
//   io_error_test=nvme.* bad_input_test inflight_test fail_nth_test=nvme_*
// functions: nvme_submit_user_cmd

@@
identifier bio;
@@
 nvme_submit_user_cmd(...)
 {
 <...
-	if (bio)
+	if (bio && !(flags & NVME_IOCTL_VEC))
 		blk_rq_unmap_user(bio);
 ...>
 }
