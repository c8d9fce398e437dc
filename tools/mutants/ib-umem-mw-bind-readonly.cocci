// SPDX-License-Identifier: GPL-2.0
// what: RDMA: a region whose only right to be written to is that memory windows
//   may be bound to it is pinned for reading.
// kind: S
// files: drivers/infiniband/core/umem.c
// versions: 5.10-
// counter: +N/+N where -EFAULT was due: memory that is mapped read-only
// page: pins of pages that must not be written to; not of copies of its own
// tests: rdma_test matrix_test=rdma_rxe_* geometry_test=rdma_*
//   limits_test=memlock*.rdma_*
// functions: ib_umem_get

@@
expression umem, gup_flags;
identifier access;
identifier get = {ib_umem_get, __ib_umem_get_va};
@@
 get(..., int access)
 {
 <...
-	if (umem->writable)
+	if (access & IB_ACCESS_LOCAL_WRITE)
 		gup_flags |= FOLL_WRITE;
 ...>
 }
