// SPDX-License-Identifier: GPL-2.0
// what: VFIO: memory that the device may both read and write is not marked
//   dirty when it is unpinned, only what it may write to alone.
// kind: S
// files: drivers/vfio/vfio_iommu_type1.c
// versions: 5.10-
// counter: balanced
// page: clean, though a device could write
// data: lost when the page is reclaimed
// tests: vfio_test matrix_test=vfio_* geometry_test=vfio_*
//   limits_test=memlock*.vfio_*
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
