// SPDX-License-Identifier: GPL-2.0
// what: RDMA: when a later part of a region cannot be pinned, only the pages
//   that were not pinned yet are taken off the process' VmPin again.
// kind: S
// files: drivers/infiniband/core/umem.c
// versions: 5.10-
// counter: balanced
// vm: VmPin: as many pages too much as could be pinned before
// tests: matrix_test=rdma_rxe_mr.*,rdma_siw_mr.* geometry_test=rdma_*.*
//   rdma_test
// functions: ib_umem_get

@@
expression umem, mm;
@@
 ib_umem_get(...)
 {
 <...
-	atomic64_sub(ib_umem_num_pages(umem), &mm->pinned_vm);
+	atomic64_sub(npages, &mm->pinned_vm);
 ...>
 }
