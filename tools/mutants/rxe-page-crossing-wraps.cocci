// SPDX-License-Identifier: GPL-2.0
// what: soft-RoCE: of a packet whose data goes to, or comes from, two pages, as
//   the memory is not aligned, the rest is put at the front of the first page.
// kind: S
// files: drivers/infiniband/sw/rxe/rxe_mr.c
// versions: 6.3-
// counter: balanced
// data: in the wrong page, within the region
// tests: rdma_test geometry_test=rds_ib*
// functions: rxe_mr_copy_xarray

@@
identifier iova, bytes;
@@
 rxe_mr_copy_xarray(struct rxe_mr *mr, u64 iova, ...)
 {
 <...
-	iova += bytes;
+	iova = (iova & PAGE_MASK) | ((iova + bytes) & ~PAGE_MASK);
 ...>
 }
