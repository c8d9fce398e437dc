// SPDX-License-Identifier: GPL-2.0
// what: RDMA: a region that the device only reads is pinned as if for a moment,
//   and stays in movable memory.
// kind: S
// files: drivers/infiniband/core/umem.c
// versions: 5.10-
// needs: movable
// counter: +N/+0 where the pages should have moved first
// page: zone
// tests: longterm_test matrix_test=rdma_rxe_mr_read.*
// functions: ib_umem_get

@@
symbol gup_flags;
@@
 ib_umem_get(...)
 {
 <...
-	unsigned int gup_flags = FOLL_LONGTERM;
+	unsigned int gup_flags = 0;
 ...>
 }

@@
symbol gup_flags;
@@
 ib_umem_get(...)
 {
 <...
-	gup_flags |= FOLL_WRITE;
+	gup_flags |= FOLL_WRITE | FOLL_LONGTERM;
 ...>
 }
