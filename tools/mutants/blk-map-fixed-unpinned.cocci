// SPDX-License-Identifier: GPL-2.0
// what: NVMe commands from a fixed buffer of io_uring unpin it when they are
//   done, though it is the ring that pinned it and still has it.
// kind: S
// files: block/blk-map.c
// versions: 6.5-
// counter: +0/+N for each command
// page: fixed buffer that is not pinned any more, or freed
// log: bad page, or WARN of an unpinned page, when the ring goes
// tests: matrix_test=uring_nvme*.* geometry_test=uring_nvme*
// functions: blk_rq_map_user_bvec blk_rq_unmap_user __bio_release_pages
//   unpin_user_folio gup_put_folio bad_page

@@
expression bio, iter;
@@
 blk_rq_map_user_bvec(...)
 {
 <...
 	bio_iov_bvec_set(bio, iter);
+	bio_set_flag(bio, BIO_PAGE_PINNED);
 ...>
 }
