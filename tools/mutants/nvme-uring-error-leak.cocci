// SPDX-License-Identifier: GPL-2.0
// what: NVMe commands by io_uring that the device answers with an error leave
//   their pages pinned.
// kind: S
// files: drivers/nvme/host/ioctl.c
// versions: 6.11-
// counter: +N/+0
// tests: matrix_test=uring_nvme_*.* io_error_test
// functions: nvme_uring_task_cb

@@
identifier pdu;
@@
 nvme_uring_task_cb(...)
 {
 <...
-	if (pdu->bio)
+	if (pdu->bio && !pdu->status)
 		blk_rq_unmap_user(pdu->bio);
 ...>
 }
