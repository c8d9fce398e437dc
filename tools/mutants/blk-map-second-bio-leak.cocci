// SPDX-License-Identifier: GPL-2.0
// what: SCSI and NVMe commands of user space: of a buffer that needs more
//   than one bio, all but the first stay pinned.
// kind: S
// files: block/blk-map.c
// versions: 6.5-
// counter: +N/+256
// tests: matrix_test=sg_*,bsg_*,nvme_pass*,uring_nvme_*
//   geometry_test=sg_*,nvme_pass*,uring_nvme_* io_error_test=nvme.*,sg.*
// functions: blk_rq_unmap_user

@@
identifier bio;
@@
 blk_rq_unmap_user(...)
 {
 <...
-	bio_release_pages(bio, bio_data_dir(bio) == READ);
+	if (!next_bio)
+		bio_release_pages(bio, bio_data_dir(bio) == READ);
 ...>
 }

@@
identifier next_bio;
@@
 blk_rq_unmap_user(...)
 {
-	struct bio *next_bio;
+	struct bio *next_bio = NULL;
 ...
 }
