// SPDX-License-Identifier: GPL-2.0
// what: RDS: when a later vector of a transfer cannot be pinned, the pages of
//   those before stay so.
// kind: S
// files: net/rds/rdma.c
// versions: 5.10-
// counter: +n/+0
// tests: matrix_test=rds_rdma_*,rds_ib_* geometry_test=rds_rdma_*
// functions: rds_cmsg_rdma_args

@@
expression op;
@@
 rds_cmsg_rdma_args(...)
 {
 <...
-	rds_rdma_free_op(op);
+	op->op_active = 0;
 ...>
 }
