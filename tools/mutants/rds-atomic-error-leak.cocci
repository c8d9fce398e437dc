// SPDX-License-Identifier: GPL-2.0
// what: RDS: an atomic operation that cannot be sent leaves its page pinned.
// kind: S
// files: net/rds/rdma.c
// versions: 5.10-
// counter: +1/+0
// tests: matrix_test=rds_atomic*
// functions: rds_atomic_op_unpin_page rds_atomic_free_op

@@
expression page;
@@
 rds_atomic_op_unpin_page(...)
 {
 <...
-	unpin_user_pages_dirty_lock(&page, 1, true);
 ...>
 }
