// SPDX-License-Identifier: GPL-2.0
// what: SCSI and NVMe commands of user space that write mark the pages dirty
//   which the device only reads.
// kind: S
// files: block/blk-map.c
// versions: 6.12-
// counter: balanced
// page: dirty, though nobody wrote to it
// log: of ext4, about dirty pages without buffers
// tests: case45_test
//   matrix_test=sg_io_write*.*,nvme_passthru_write.*,bsg_write.*
// functions: blk_rq_unmap_user

@@
expression bio;
@@
 blk_rq_unmap_user(...)
 {
 <...
-	bio_release_pages(bio, bio_data_dir(bio) == READ);
+	bio_release_pages(bio, true);
 ...>
 }
