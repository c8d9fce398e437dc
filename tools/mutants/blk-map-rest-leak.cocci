// SPDX-License-Identifier: GPL-2.0
// what: SCSI and NVMe commands of user space: what was pinned for a bio and
//   does not fit into it stays pinned.
// kind: S
// files: block/blk-map.c
// versions: 6.5-
// counter: +n/+less, -EINVAL
// tests: matrix_test=nvme_passthru_long.* geometry_test=nvme_passthru_long.*
// functions: bio_map_user_iov

@rest@
expression bio, pages, j, n;
@@
-while (j < n)
-	bio_release_page(bio, pages[j++]);

// Later a bio takes all that was pinned, and is too long as a whole.
@depends on !rest@
@@
 bio_map_user_iov(...)
 {
 <...
-	bio_release_pages(...);
 ...>
 }
