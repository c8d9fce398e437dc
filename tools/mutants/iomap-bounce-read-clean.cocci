// SPDX-License-Identifier: GPL-2.0
// what: Direct reads of files whose pages must be stable, which are copied from
//   a bounce buffer, do not mark the pages dirty that they have written to.
// kind: S
// files: fs/iomap/direct-io.c
// versions: 7.3-
// counter: balanced
// page: clean
// data: lost when the pages, mapped from a file, are reclaimed
// tests: dio_target_test=xfs_stable.*
// functions: __iomap_dio_bio_end_io bio_iov_iter_unbounce_read

@@
expression bio, dio;
@@
 __iomap_dio_bio_end_io(...)
 {
 <...
 	bio_iov_iter_unbounce(bio, !!dio->error,
-				dio->flags & IOMAP_DIO_USER_BACKED
+				dio->flags & IOMAP_DIO_WRITE
 				);
 ...>
 }
