// SPDX-License-Identifier: GPL-2.0
// what: soft-iWARP: when there is no memory for the first list of a region's
//   pages, the region stays pinned.
// kind: S
// files: drivers/infiniband/sw/siw/siw_mem.c
// versions: 6.8-
// counter: +N/+0, -ENOMEM
// vm: VmPin
// tests: rdma_test matrix_test=rdma_siw_* geometry_test=rdma_siw_*
//   fail_nth_test=rdma_siw_* limits_test=memlock*.rdma_siw_*
// functions: siw_umem_release

@@
identifier umem, num_pages;
@@
 siw_umem_release(...)
 {
 ...
 int num_pages = umem->num_pages;
 ...
-	if (umem->base_mem)
+	if (umem->base_mem && num_pages)
 		ib_umem_release(umem->base_mem);
 ...
 }
