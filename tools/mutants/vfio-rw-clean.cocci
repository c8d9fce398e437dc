// SPDX-License-Identifier: GPL-2.0
// what: VFIO: memory that the device may both read and write is not marked
//   dirty when it is unpinned, only what it may write to alone.
// kind: S
// files: drivers/vfio/vfio_iommu_type1.c
// versions: 5.10-
// counter: balanced
// page: clean, though a device could write
// data: lost when the page is reclaimed
// tests: matrix_test vfio_test case45_test page_view_test geometry_test
//   teardown_test limits_test rlimit_test bad_input_test fail_nth_test
//   inflight_test pinned_stays_test
// functions: put_pfn

@@
expression page, prot;
@@
 put_pfn(...)
 {
 <...
-	unpin_user_pages_dirty_lock(&page, 1, prot & IOMMU_WRITE);
+	unpin_user_pages_dirty_lock(&page, 1, prot == IOMMU_WRITE);
 ...>
 }
