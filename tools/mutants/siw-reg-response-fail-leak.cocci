// SPDX-License-Identifier: GPL-2.0
// what: soft-iWARP: a region that is given up because its key cannot be told to
//   the process, or the request is too short, stays pinned.
// kind: S
// files: drivers/infiniband/sw/siw/siw_verbs.c
// versions: 5.3-
// counter: +N/+0, -EINVAL or -EFAULT
// vm: VmPin
// tests: rdma_test matrix_test=rdma_siw_* geometry_test=rdma_siw_*
//   fail_nth_test=rdma_siw_* limits_test=memlock*.rdma_siw_*
// functions: siw_reg_user_mr

@@
identifier mr;
@@
 siw_reg_user_mr(...)
 {
 <...
-	if (mr->mem)
+	if (mr->mem && mr->mem->stag_valid)
 		siw_mr_drop_mem(mr);
 ...>
 }
