// SPDX-License-Identifier: GPL-2.0
// what: Block devices: pages of an asynchronous direct read that were written
//   back while it was in flight are not marked dirty again.
// kind: S
// files: block/fops.c
// versions: 6.5-
// counter: balanced
// page: clean, though the device has written
// data: lost when the page is reclaimed
// tests: dio_target_test=loop*.*,zram.*,dm_*.* inflight_test=dm.*,sd.*
//   io_error_test=device.* matrix_test=dio_* geometry_test=dio_*
// functions: __blkdev_direct_IO_async blkdev_bio_end_io_async

@@
expression dio, bio;
@@
 __blkdev_direct_IO_async(...)
 {
 <...
-	dio->flags |= DIO_SHOULD_DIRTY;
 	bio_set_pages_dirty(bio);
 ...>
 }
