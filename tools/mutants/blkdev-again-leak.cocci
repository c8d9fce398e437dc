// SPDX-License-Identifier: GPL-2.0
// what: Block devices: a non-blocking direct read or write that the device
//   cannot take now fails with -EAGAIN and leaves its pages pinned.
// kind: S
// files: block/fops.c
// versions: 6.5-
// counter: +N/+0, -EAGAIN
// tests: dio_target_test matrix_test inflight_test io_error_test
// functions: __blkdev_direct_IO_simple

@@
expression dirty;
identifier bio;
@@
 __blkdev_direct_IO_simple(...)
 {
 <...
+	if (bio.bi_status != BLK_STS_AGAIN)
 	bio_release_pages(&bio, dirty);
 ...>
 }
