// SPDX-License-Identifier: GPL-2.0
// what: RDMA: when there is no memory for the list of pages, those pinned last
//   stay so.
// kind: S
// files: drivers/infiniband/core/umem.c
// versions: 5.15-
// counter: +N/+0, -ENOMEM
// tests: fail_nth_test=rdma_rxe_mr*
// functions: ib_umem_get __ib_umem_get_va

@@
expression list args;
identifier l;
identifier get = {ib_umem_get, __ib_umem_get_va};
@@
 get(...)
 {
 <...
 	if (ret) {
-		unpin_user_pages_dirty_lock(args);
 		goto l;
 	}
 ...>
 }
