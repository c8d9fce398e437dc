// SPDX-License-Identifier: GPL-2.0
// what: RDS: of several memory regions that a socket still has when it is
//   closed, only the first is released; the others stay pinned.
// kind: S
// files: net/rds/rdma.c
// versions: 5.10-
// counter: +N/+less
// tests: rdma_test=rds.*
// functions: rds_rdma_drop_keys

@@
expression lock, flags, kref, f;
@@
 rds_rdma_drop_keys(...)
 {
 <...
 	kref_put(kref, f);
 	spin_lock_irqsave(lock, flags);
+	break;
 ...>
 }
