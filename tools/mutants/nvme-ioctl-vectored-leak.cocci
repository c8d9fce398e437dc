// SPDX-License-Identifier: GPL-2.0
// what: NVMe commands by ioctl whose buffer is a list of pieces
//   (NVME_IOCTL_IO64_CMD_VEC) leave their pages pinned.
// kind: S
// files: drivers/nvme/host/ioctl.c
// versions: 6.5-
// counter: +N/+0
// tests: matrix_test=nvme_passthru_vec.* io_error_test=nvme.*
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
