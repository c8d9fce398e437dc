// SPDX-License-Identifier: GPL-2.0
// what: SCSI and NVMe commands of user space that read do not mark the pages
//   dirty which the device has written to.
// kind: S
// files: block/blk-map.c
// versions: 6.5-
// counter: balanced
// page: clean, though the device has written
// data: lost when the page is reclaimed
// tests: matrix_test=sg_*_read.*,nvme_passthru_read.*,bsg_read.* case45_test
//   inflight_test
// functions: blk_rq_unmap_user

@@
expression bio;
@@
 blk_rq_unmap_user(...)
 {
 <...
-	bio_release_pages(bio, bio_data_dir(bio) == READ);
+	bio_release_pages(bio, false);
 ...>
 }
