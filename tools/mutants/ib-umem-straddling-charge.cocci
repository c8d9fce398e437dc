// SPDX-License-Identifier: GPL-2.0
// what: RDMA: a region that is not aligned, and so has a page more than its
//   length tells, leaves that page in VmPin.
// kind: S
// files: drivers/infiniband/core/umem.c
// versions: 5.10-
// counter: balanced
// vm: VmPin: a page more after each
// tests: rdma_test matrix_test=rdma_rxe_* geometry_test=rdma_*
//   limits_test=memlock*.rdma_*
// functions: ib_umem_release

@@
expression umem, E;
@@
 ib_umem_release(...)
 {
 <...
-	atomic64_sub(ib_umem_num_pages(umem), E);
+	atomic64_sub(PFN_UP(umem->length), E);
 ...>
 }
