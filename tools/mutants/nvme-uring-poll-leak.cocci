// SPDX-License-Identifier: GPL-2.0
// what: NVMe commands by io_uring whose completion the ring itself polls for
//   leave their pages pinned.
// kind: S
// files: drivers/nvme/host/ioctl.c
// versions: 7.3-
// counter: +N/+0
// tests: uring_test=nvme.*
// functions: nvme_uring_cmd_end_io

@@
identifier pdu;
@@
 nvme_uring_cmd_end_io(...)
 {
 <...
-	if (pdu->bio)
-		blk_rq_unmap_user(pdu->bio);
 	io_uring_cmd_done32(...);
 ...>
 }
