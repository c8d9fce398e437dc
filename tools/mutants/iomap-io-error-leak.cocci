// SPDX-License-Identifier: GPL-2.0
// what: ext4, xfs and others: a direct read or write that fails on the device
//   leaves its pages pinned.
// kind: S
// files: fs/iomap/direct-io.c
// versions: 6.5-
// counter: +N/+0, -EIO
// tests: dio_target_test=*error*,*eio* matrix_test=dio_*error* io_error_test
//   errpaths_test
// functions: iomap_dio_bio_end_io __iomap_dio_bio_end_io

@@
identifier bio;
@@
 iomap_dio_bio_end_io(...)
 {
 <...
+	if (!bio->bi_status)
 	bio_release_pages(bio, false);
 ...>
 }

// Later writes are released as reads are.
@@
identifier bio;
@@
 __iomap_dio_bio_end_io(...)
 {
 <...
-	bio_check_pages_dirty(bio);
+	if (bio->bi_status)
+		bio_put(bio);
+	else
+		bio_check_pages_dirty(bio);
 ...>
 }
