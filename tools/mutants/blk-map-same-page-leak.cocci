// SPDX-License-Identifier: GPL-2.0
// what: SCSI and NVMe commands of user space: pieces that lie in one page
//   become one, and the second pin of that page is forgotten.
// kind: S
// files: block/blk-map.c
// versions: 6.5-6.15
// counter: +2/+1
// tests: matrix_test=sg_*,bsg_*,nvme_passthru_* geometry_test=sg_*,bsg_*,nvme_passthru_*
//   dio_target_test=*adjacent*
// functions: bio_map_user_iov

@@
identifier same, bio, page;
@@
 bio_map_user_iov(...)
 {
 <...
-	if (same)
-		bio_release_page(bio, page);
 ...>
 }
