// SPDX-License-Identifier: GPL-2.0
// what: soft-RoCE: when there is no memory for the table of a region's pages,
//   the region stays pinned.
// kind: S
// files: drivers/infiniband/sw/rxe/rxe_mr.c
// versions: 6.3-
// counter: +N/+0
// vm: VmPin
// tests: fail_nth_test=rdma_rxe_mr* limits_test=*.rdma_rxe_mr
// functions: rxe_mr_init_user

@@
expression umem;
@@
 rxe_mr_init_user(...)
 {
 <...
-	ib_umem_release(umem);
 ...>
 }
