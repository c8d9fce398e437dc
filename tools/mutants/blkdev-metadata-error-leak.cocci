// SPDX-License-Identifier: GPL-2.0
// what: Block devices: a direct read or write with a metadata buffer that
//   fails on the device leaves the metadata buffer pinned.
// kind: S
// files: block/fops.c
// versions: 7.3-
// counter: +N/+less, -EIO or -EILSEQ
// tests: io_error_test=nvme* matrix_test=uring_meta_*.anon.*
// functions: blkdev_bio_end_io bio_integrity_free

@@
expression bio;
@@
 blkdev_bio_end_io(...)
 {
 <...
 	if (
-	    bio_integrity(bio)
+	    bio_integrity(bio) && !bio->bi_status
 	   )
 		bio_integrity_unmap_user(bio);
 ...>
 }
