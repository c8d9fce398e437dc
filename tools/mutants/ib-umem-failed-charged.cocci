// SPDX-License-Identifier: GPL-2.0
// what: RDMA: a region that cannot be pinned is let go, but stays in the
//   process' VmPin.
// kind: S
// files: drivers/infiniband/core/umem.c
// versions: 5.10-
// counter: balanced
// vm: VmPin
// tests: matrix_test=rdma_rxe_mr*.* geometry_test=rdma_rxe_mr.*
// functions: ib_umem_get

@@
expression device, umem, mm;
@@
 ib_umem_get(...)
 {
 <...
 	__ib_umem_release(device, umem, 0);
-	atomic64_sub(ib_umem_num_pages(umem), &mm->pinned_vm);
 ...>
 }
