// SPDX-License-Identifier: GPL-2.0
// what: RDMA: when a later part of a region cannot be pinned, what was pinned
//   before stays so.
// kind: S
// files: drivers/infiniband/core/umem.c
// versions: 5.10-
// counter: +n/+0, -EFAULT
// tests: matrix_test=rdma_rxe_mr*.hole.*,rdma_rxe_mr* fail_nth_test=rdma*
// functions: ib_umem_get __ib_umem_get_va

@@
expression a, b;
identifier get = {ib_umem_get, __ib_umem_get_va};
@@
 get(...)
 {
 <...
-	__ib_umem_release(a, b, 0);
 ...>
 }
