// SPDX-License-Identifier: GPL-2.0
// what: soft-RoCE: in a region that begins within a page, what lies behind it
//   in a page at a smaller offset is taken from, or put to, the page before.
// kind: S
// files: drivers/infiniband/sw/rxe/rxe_mr.c
// versions: 6.3-
// counter: balanced
// data: of, and to, another page of the region
// tests: rdma_test

@@
symbol mr, iova;
@@
 rxe_mr_iova_to_index(...)
 {
 <...
-	(iova >> mr->page_shift) - (mr->ibmr.iova >> mr->page_shift)
+	(iova - mr->ibmr.iova) >> mr->page_shift
 ...>
 }
