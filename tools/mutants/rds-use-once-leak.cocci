// SPDX-License-Identifier: GPL-2.0
// what: RDS: a memory region that is for one use leaves the table after it,
//   but its pages stay pinned.
// kind: S
// files: net/rds/rdma.c
// versions: 6.1-
// counter: +N/+0
// tests: matrix_test=rds_* geometry_test=rds_* limits_test=memlock*.rds_*
// functions: rds_rdma_unuse

@@
identifier mr, force, zot_me;
@@
 rds_rdma_unuse(...)
 {
 <...
 	if (mr->r_use_once || force) {
 	...
-	zot_me = 1;
+	zot_me = force;
 	}
 ...>
 }
