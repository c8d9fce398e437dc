// SPDX-License-Identifier: GPL-2.0
// what: Direct reads that go by a bounce buffer: of a piece of memory that is
//   not aligned, and so lies in a page more than its length tells, the last
//   page stays pinned.
// kind: S
// files: block/bio.c
// versions: 7.1-
// counter: +N/+N-1 for each piece
// tests: dio_target_test=xfs*
// functions: bvec_unpin bio_iov_iter_unbounce

@@
symbol bv;
identifier nr;
expression e;
@@
 bvec_unpin(...)
 {
 ...
-	size_t nr = e;
+	size_t nr = DIV_ROUND_UP(bv->bv_len, PAGE_SIZE);
 ...
 }
