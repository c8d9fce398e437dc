// SPDX-License-Identifier: GPL-2.0
// what: Direct I/O: pages behind the last whole block of a part that could be
//   pinned are not let go.
// kind: S
// files: block/bio.c
// versions: 6.5-6.14
// counter: +n/+less, a short count or -EFAULT
// tests: dio_target_test=*.cut_*,*.gap_*
// functions: __bio_iov_iter_get_pages

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
