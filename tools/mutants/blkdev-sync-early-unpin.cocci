// SPDX-License-Identifier: GPL-2.0
// what: Block devices: a synchronous direct read or write unpins its pages
//   before the device has had them.
// kind: S
// files: block/fops.c
// versions: 6.5-
// counter: balanced, but released too early
// page: not pinned while a device has it
// data: of a page that the process lets go of meanwhile
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
-	submit_bio_wait(&bio);
-	bio_release_pages(&bio, dirty);
+	bio_release_pages(&bio, dirty);
+	submit_bio_wait(&bio);
 ...>
 }
