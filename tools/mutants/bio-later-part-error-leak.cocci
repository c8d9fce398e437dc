// SPDX-License-Identifier: GPL-2.0
// what: Direct I/O: when a later segment cannot be pinned, those that are in
//   the bio already stay pinned.
// kind: S
// files: block/bio.c
// versions: 6.5-6.17
// counter: +n/+0, -EFAULT
// tests: dio_target_test=here.*,loop.*,zram.*,dm_linear.*
//   geometry_test=dio_*,aio_*,uring_read.*,sg_* matrix_test=dio_*,aio_*
//   bad_input_test=dio.*
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
