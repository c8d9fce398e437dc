// SPDX-License-Identifier: GPL-2.0
// what: RDS: the worker that is to unpin what an RDMA transfer wrote to only
//   frees the message.
// kind: S
// files: net/rds/message.c
// versions: 6.12-
// counter: +N/+0
// tests: matrix_test=rds_ib_*
// functions: rds_message_unpin_worker

@@
@@
 rds_message_unpin_worker(...)
 {
 ...
-	if (rm->rdma.op_unpin_deferred)
-		rds_rdma_op_unpin_pages(&rm->rdma);
 ...
 }
