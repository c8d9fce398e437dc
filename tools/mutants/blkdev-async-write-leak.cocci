// SPDX-License-Identifier: GPL-2.0
// what: Block devices: asynchronous direct writes leave their pages pinned.
// kind: S
// files: block/fops.c
// versions: 6.5-
// counter: +N/+0
// tests: dio_target_test=here.aio*,*.aio*,*.uring* matrix_test=aio_write.*,uring_write*
//   inflight_test
// functions: blkdev_bio_end_io_async

@@
identifier bio;
@@
 blkdev_bio_end_io_async(...)
 {
 <...
-	bio_release_pages(bio, false);
 ...>
 }
