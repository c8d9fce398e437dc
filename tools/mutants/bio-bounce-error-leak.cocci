// SPDX-License-Identifier: GPL-2.0
// what: Direct reads of files whose pages must be stable, which go by a bounce
//   buffer: when the device fails, the pages stay pinned.
// kind: S
// files: block/bio.c
// versions: 7.3-
// counter: +n/+0, -EIO
// tests: io_error_test=xfs*
// functions: bio_iov_iter_unbounce_read __iomap_dio_bio_end_io

@@
identifier bio, is_error;
@@
 bio_iov_iter_unbounce_read(struct bio *bio, bool is_error, ...)
 {
 <...
-	bio_flagged(bio, BIO_PAGE_PINNED)
+	!is_error && bio_flagged(bio, BIO_PAGE_PINNED)
 ...>
 }
