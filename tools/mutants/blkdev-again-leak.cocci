// SPDX-License-Identifier: GPL-2.0
// what: Block devices: a non-blocking direct read or write that the device
//   cannot take now fails with -EAGAIN and leaves its pages pinned.
// kind: S
// files: block/fops.c
// versions: 6.5-
// counter: +N/+0, -EAGAIN
// tests: dio_target_test=loop*.*,zram.*,dm_*.* inflight_test=dm.*,sd.*
//   io_error_test=device.* matrix_test=dio_* geometry_test=dio_*
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
