// SPDX-License-Identifier: GPL-2.0
// what: ext4, xfs and others: direct writes of more than one segment leave
//   their pages pinned.
// kind: S
// files: fs/iomap/direct-io.c
// versions: 6.5-
// counter: +N/+0
// tests: matrix_test=dio_write*,aio_write*,uring_write*
//   dio_target_test=ext4.*,xfs.*,here.*,f2fs.*,btrfs_nocow.*,ext4_1k.* inflight_test
// functions: iomap_dio_bio_end_io __iomap_dio_bio_end_io

@@
identifier bio;
@@
 iomap_dio_bio_end_io(...)
 {
 <...
+	if (bio->bi_vcnt == 1)
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
+	if (op_is_write(bio_op(bio)) && bio->bi_vcnt > 1)
+		bio_put(bio);
+	else
+		bio_check_pages_dirty(bio);
 ...>
 }
