// SPDX-License-Identifier: GPL-2.0
// what: RDMA: releasing a region does not take its pages off the process'
//   VmPin.
// kind: S
// files: drivers/infiniband/core/umem.c
// versions: 5.10-
// counter: balanced
// vm: VmPin grows
// tests: matrix_test=rdma_rxe_mr*
// functions: ib_umem_release

@@
expression E1, E2;
@@
 ib_umem_release(...)
 {
 <...
-	atomic64_sub(E1, E2);
 ...>
 }
