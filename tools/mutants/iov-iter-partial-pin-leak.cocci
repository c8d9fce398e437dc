// SPDX-License-Identifier: GPL-2.0
// what: Pinning for an iterator: when fewer pages than asked for could be
//   pinned, the call fails and forgets these.
// kind: S
// files: lib/iov_iter.c
// versions: 6.3-
// counter: +n/+0, -EFAULT
// tests: matrix_test=dio_*.hole.*,aio_*.hole.*,uring_read.hole.*,sg_*.hole.*,af_alg_*.hole.*,fuse_*.hole.*
//   geometry_test=*.second_bio
//   bad_input_test=dio.* dio_target_test=*.gap_*,*.cut_sector
// functions: iov_iter_extract_user_pages iov_iter_extract_pages

@@
identifier res;
expression addr, max, flags, pages;
statement S;
@@
 iov_iter_extract_user_pages(...)
 {
 <...
 	res = pin_user_pages_fast(addr, max, flags, pages);
 	if (unlikely(res <= 0)) S
+	if (res < max)
+		return -EFAULT;
 ...>
 }
