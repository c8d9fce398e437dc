// SPDX-License-Identifier: GPL-2.0
// what: Direct I/O: when a later segment cannot be pinned, those that are in
//   the bio already stay pinned.
// kind: S
// files: block/bio.c
// versions: 6.5-6.17
// counter: +n/+0, -EFAULT
// tests: bad_input_test geometry_test dio_target_test matrix_test
//   helper_bad_input_test
// functions: bio_iov_iter_get_pages __blkdev_direct_IO_simple
//   __blkdev_direct_IO_async iomap_dio_bio_iter

@@
expression bio;
identifier ret;
@@
 bio_iov_iter_get_pages(...)
 {
 <...
-	return bio->bi_vcnt ? 0 : ret;
+	return ret;
 ...>
 }
