// SPDX-License-Identifier: GPL-2.0
// what: SCSI and NVMe commands that write leave their pages pinned.
// kind: S
// files: block/blk-map.c
// versions: 6.5-
// counter: +N/+0
// tests: matrix_test=sg_*_write.*,bsg_write.*,nvme_passthru_write.*,uring_nvme_write.*
// functions: blk_rq_unmap_user

@@
expression bio;
@@
 blk_rq_unmap_user(...)
 {
 <...
+	if (bio_data_dir(bio) == READ)
 	bio_release_pages(bio, ...);
 ...>
 }
