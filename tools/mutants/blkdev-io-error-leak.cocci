// SPDX-License-Identifier: GPL-2.0
// what: Block devices: a synchronous direct read or write that fails on the
//   device leaves its pages pinned.
// kind: S
// files: block/fops.c
// versions: 6.5-
// counter: +N/+0, -EIO
// tests: dio_target_test=*error*,*eio* matrix_test=dio_*error* io_error_test
//   errpaths_test
// functions: __blkdev_direct_IO_simple

@@
identifier bio;
expression dirty;
@@
 __blkdev_direct_IO_simple(...)
 {
 <...
+	if (!bio.bi_status)
 	bio_release_pages(&bio, dirty);
 ...>
 }
