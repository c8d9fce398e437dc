// SPDX-License-Identifier: GPL-2.0
// what: Direct I/O of at most one page's length that reaches from one page of
//   a large folio into the next unpins the second one twice.
// kind: S
// files: block/bio.c
// versions: 6.12-6.16
// counter: +2/+3
// page: references and pin count below what they should be
// tests: dio_target_test=here.*,loop.*,zram.*,dm_linear.*
//   geometry_test=dio_*,aio_*,uring_read.*,sg_* matrix_test=dio_*,aio_*
//   bad_input_test=dio.*
// functions: __bio_iov_iter_get_pages __bio_release_pages bio_release_pages

@@
@@
 __bio_iov_iter_get_pages(...)
 {
 <...
-	num_pages = DIV_ROUND_UP(offset + len, PAGE_SIZE);
+	num_pages = DIV_ROUND_UP(len, PAGE_SIZE);
 ...>
 }
