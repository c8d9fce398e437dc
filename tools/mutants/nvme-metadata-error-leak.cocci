// SPDX-License-Identifier: GPL-2.0
// what: NVMe commands of user space: when the metadata buffer is refused, the
//   data buffer stays pinned.
// kind: S
// files: drivers/nvme/host/ioctl.c
// versions: 6.8-
// counter: +N/+0, -EFAULT
// tests: matrix_test=nvme_meta* geometry_test=nvme_meta*
// functions: nvme_map_user_request

@@
expression bio;
@@
 nvme_map_user_request(...)
 {
 <...
-	if (bio)
-		blk_rq_unmap_user(bio);
 ...>
 }
