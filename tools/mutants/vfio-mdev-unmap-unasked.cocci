// SPDX-License-Identifier: GPL-2.0
// what: VFIO: memory is unmapped, and the device without an IOMMU that has pinned
//   it is not asked to let go: it stays pinned for ever.
// kind: S
// files: drivers/vfio/vfio_iommu_type1.c
// versions: 6.1-
// counter: +0/+0 where n are to be released
// log: WARNING in vfio_remove_dma()
// tests: vfio_test=mdev.unmap,mdev.beside
// functions: vfio_remove_dma vfio_iommu_type1_unpin_pages

@@
identifier dma;
@@
 vfio_dma_do_unmap(...)
 {
 <...
-	if (!RB_EMPTY_ROOT(&dma->pfn_list))
+	if (0)
 	{ ... }
 ...>
 }
