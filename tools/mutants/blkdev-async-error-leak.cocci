// SPDX-License-Identifier: GPL-2.0
// what: Block devices: a direct write of several bios that fails on the device
//   leaves its pages pinned.
// kind: S
// files: block/fops.c
// versions: 6.5-
// counter: +N/+0, -EIO
// tests: io_error_test=device.*
// functions: blkdev_bio_end_io

@@
identifier bio;
@@
 blkdev_bio_end_io(struct bio *bio)
 {
 <...
+	if (!bio->bi_status)
 	bio_release_pages(bio, false);
 ...>
 }
