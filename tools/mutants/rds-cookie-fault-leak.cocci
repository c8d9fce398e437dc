// SPDX-License-Identifier: GPL-2.0
// what: RDS: a memory region whose cookie cannot be written to user space is
//   not released, and its pages stay pinned.
// kind: S
// files: net/rds/rdma.c
// versions: 6.1-
// counter: +N/+0, -EFAULT
// tests: matrix_test=rds_* geometry_test=rds_* limits_test=memlock*.rds_*
// functions: __rds_rdma_map

@@
identifier args, ret;
identifier out;
expression P;
@@
 __rds_rdma_map(...)
 {
 <...
 	if (args->cookie_addr && P) {
 		ret = -EFAULT;
-		goto out;
+		mr = NULL;
+		goto out;
 	}
 ...>
 }
