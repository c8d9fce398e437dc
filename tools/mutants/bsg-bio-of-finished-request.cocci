// SPDX-License-Identifier: GPL-2.0
// what: SG_IO of bsg takes the bios that it unmaps from the request once it is
//   done, where there are none any more, so that the buffer stays pinned.
// kind: S
// files: drivers/scsi/scsi_bsg.c
// versions: 6.0-
// counter: +N/+0
// page: pinned for ever
// tests: matrix_test=bsg*.* data_test=bsg*
// functions: scsi_bsg_sg_io_fn

@@
identifier bio;
@@
 scsi_bsg_sg_io_fn(...)
 {
 <...
-	blk_rq_unmap_user(bio);
+	bio = rq->bio;
+	blk_rq_unmap_user(bio);
 ...>
 }
