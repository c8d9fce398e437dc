// SPDX-License-Identifier: GPL-2.0
// what: Direct I/O: when a later segment is refused, as it is not aligned for
//   the device, the pages of those before stay pinned.
// kind: S
// files: block/bio.c
// versions: 7.3-
// counter: +n/+0, -EINVAL
// tests: dio_target_test=*.misaligned*
// functions: bio_iov_iter_get_pages

@@
expression bio;
@@
 bio_iov_iter_get_pages(...)
 {
 <...
-	bio_release_pages(bio, false);
 	bio_clear_flag(bio, BIO_PAGE_PINNED);
 ...>
 }
