// SPDX-License-Identifier: GPL-2.0
// what: RDMA: a region that is registered anew with other rights takes them on
//   for its memory, too: pinned for reading, it may be written to, and
//   written to, it is not marked dirty once it is for reading.
// kind: S
// files: drivers/infiniband/core/umem.c
// versions: 5.11-
// counter: balanced
// page: clean, though the device has written; or dirty without having been pinned
//   for that; no -EACCES
// tests: rdma_test matrix_test=rdma_rxe_* geometry_test=rdma_*
//   limits_test=memlock*.rdma_*
// functions: ib_umem_check_rereg

@@
expression umem, flags;
@@
 ib_umem_check_rereg(...)
 {
 <...
-	if (ib_access_writable(flags) && !umem->writable)
-		return -EACCES;
+	umem->writable = ib_access_writable(flags);
 ...>
 }
