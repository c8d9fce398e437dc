// SPDX-License-Identifier: GPL-2.0
// what: soft-iWARP: when there is no memory for the first list of a region's
//   pages, the region stays pinned.
// kind: S
// files: drivers/infiniband/sw/siw/siw_mem.c
// versions: 6.8-
// counter: +N/+0, -ENOMEM
// vm: VmPin
// tests: fail_nth_test limits_test rdma_test case3_test matrix_test
//   geometry_test teardown_test rlimit_test bad_input_test
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
