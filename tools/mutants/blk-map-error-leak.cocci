// SPDX-License-Identifier: GPL-2.0
// what: SCSI and NVMe commands of user space: when a later part of the buffer
//   cannot be pinned, what was pinned before stays so.
// kind: S
// files: block/blk-map.c
// versions: 6.5-
// counter: +n/+0, -EFAULT
// tests: matrix_test=sg_*.hole.*,bsg_*.hole.*,nvme_passthru_*.hole.*,uring_nvme_*.hole.*
// functions: bio_map_user_iov blk_rq_map_user_iov

@loop@
@@
 iov_iter_extract_pages(...)

@depends on loop@
@@
 bio_map_user_iov(...)
 {
 <...
-	bio_release_pages(...);
 ...>
 }

// Later each part is a bio of its own.
@depends on !loop@
@@
 blk_rq_map_user_iov(...)
 {
 <...
-	blk_rq_unmap_user(...);
 ...>
 }
