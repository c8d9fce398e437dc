// SPDX-License-Identifier: GPL-2.0
// what: soft-RoCE: a region that is to be persistent and is refused, as its pages
//   are not, stays pinned.
// kind: S
// files: drivers/infiniband/sw/rxe/rxe_mr.c
// versions: 6.3-
// counter: +N/+0, -EINVAL
// vm: VmPin
// tests: rdma_test matrix_test=rdma_rxe_* geometry_test=rdma_*
//   limits_test=memlock*.rdma_*
// functions: rxe_mr_init_user

@@
symbol err;
expression mr;
@@
 rxe_mr_init_user(...)
 {
 <...
 	free_mr_page_info(mr);
+	return err;
 ...>
 }
