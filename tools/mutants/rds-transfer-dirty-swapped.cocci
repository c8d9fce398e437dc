// SPDX-License-Identifier: GPL-2.0
// what: RDS: an RDMA transfer marks the pages dirty that the peer only reads,
//   and not those that it brought data to.
// kind: S
// files: net/rds/rdma.c
// versions: 5.10-
// counter: balanced
// data: what was transferred to a mapped file is lost when its cache is
//   dropped
// log: sleeping function called from invalid context, if a page was clean
// tests: matrix_test=rds_ib_*.* case45_test geometry_test=rds_ib_*.*
// functions: rds_rdma_op_unpin_pages rds_rdma_free_op

@@
expression page, ro;
@@
-	unpin_user_pages_dirty_lock(&page, 1, !ro->op_write);
+	unpin_user_pages_dirty_lock(&page, 1, ro->op_write);
