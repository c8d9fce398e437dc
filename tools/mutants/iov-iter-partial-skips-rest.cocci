// SPDX-License-Identifier: GPL-2.0
// what: Pinning for an iterator: when fewer pages than asked for could be
//   pinned, the rest of that piece of memory is passed over, not tried again,
//   and so what should be refused is done in part.
// kind: S
// files: lib/iov_iter.c
// versions: 6.3-
// counter: +n/+n as before
// data: success for a buffer with a hole; a later piece gets what is due to
//   the hole
// tests: matrix_test=sg_*.*,nvme_*.*
// functions: iov_iter_extract_user_pages

@@
identifier i, maxsize, maxpages, res;
@@
 iov_iter_extract_user_pages(struct iov_iter *i, struct page ***pages,
		size_t maxsize, unsigned int maxpages, ...)
 {
 ...
 int res;
 <...
-	iov_iter_advance(i, maxsize);
+	iov_iter_advance(i, res < maxpages ? iov_iter_single_seg_count(i) :
+			 maxsize);
 ...>
 }
