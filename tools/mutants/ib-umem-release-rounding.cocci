// SPDX-License-Identifier: GPL-2.0
// what: Releasing a umem rounds the length of its last entry down to pages.
// kind: S
// catalogue: yes
// files: drivers/infiniband/core/umem.c
// versions: 5.14-
// equivalent: ib_umem_get() builds the scatterlist of whole pages from offset
//   0 (sg_alloc_append_table_from_pages() with pinned << PAGE_SHIFT), so that
//   every length is a multiple of PAGE_SIZE and rounding down is rounding up. A
//   negative control: nothing must report it.
// tests: matrix_test=rdma_rxe_mr*

@@
expression sg;
@@
 __ib_umem_release(...)
 {
 <...
-	DIV_ROUND_UP(sg->length, PAGE_SIZE)
+	(sg->length / PAGE_SIZE)
 ...>
 }
