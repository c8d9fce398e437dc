// SPDX-License-Identifier: GPL-2.0
// what: RDMA: a region is taken off VmPin of the process that lets it go, not of
//   the one that registered it.
// kind: S
// files: drivers/infiniband/core/umem.c
// versions: 5.10-
// counter: balanced
// vm: VmPin of both processes
// tests: rdma_test matrix_test=rdma_rxe_* geometry_test=rdma_*
//   limits_test=memlock*.rdma_*
// functions: ib_umem_release

@@
expression n, umem;
@@
 ib_umem_release(...)
 {
 <...
-	atomic64_sub(n, &umem->owning_mm->pinned_vm);
+	if (current->mm)
+		atomic64_sub(n, &current->mm->pinned_vm);
 ...>
 }
