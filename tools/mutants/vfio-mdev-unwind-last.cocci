// SPDX-License-Identifier: GPL-2.0
// what: VFIO: a device without an IOMMU asks for more than is mapped: of what was
//   pinned until then the last page stays so.
// kind: S
// files: drivers/vfio/vfio_iommu_type1.c
// versions: 6.1-
// counter: +n/+(n-1), -EINVAL
// tests: vfio_test=mdev.half
// functions: vfio_iommu_type1_pin_pages vfio_remove_dma vfio_dma_do_unmap

@@
identifier i, j, pages;
@@
 vfio_iommu_type1_pin_pages(...)
 {
 <...
 	pages[i] = NULL;
-	for (j = 0; j < i; j++)
+	for (j = 0; j < i - 1; j++)
 	{ ... }
 ...>
 }
