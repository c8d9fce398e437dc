// SPDX-License-Identifier: GPL-2.0
// what: Direct I/O: pages behind the last whole block of a part that could be
//   pinned are not let go.
// kind: S
// files: block/bio.c
// versions: 6.5-
// counter: +n/+less, a short count or -EFAULT
// tests: dio_target_test=*.cut_*,*.gap_*
// functions: __bio_iov_iter_get_pages bio_iov_iter_align_down

@@
expression E;
identifier i, n;
@@
 __bio_iov_iter_get_pages(...)
 {
 <...
-	while (i < n)
-		bio_release_page(E, ...);
 ...>
 }

// Since 6.18 the bio is cut down when it is complete.
@@
@@
 bio_iov_iter_align_down(...)
 {
 <...
-	if (bio_flagged(...))
-		unpin_user_page(...);
 ...>
 }
