// SPDX-License-Identifier: GPL-2.0
// what: VFIO: a page that a device without an IOMMU asks for again is pinned, and
//   charged, again.
// kind: S
// files: drivers/vfio/vfio_iommu_type1.c
// versions: 6.1-
// counter: +n/+0 where nothing is to move
// page: a pin too many
// vm: VmLck too high
// tests: vfio_test=mdev.twice,mdev.half matrix_test=vfio_mdev.anon.*
// functions: vfio_iommu_type1_pin_pages

@@
identifier vpfn;
expression dma, iova;
@@
 vfio_iommu_type1_pin_pages(...)
 {
 <...
-	vpfn = vfio_iova_get_vfio_pfn(dma, iova);
+	vpfn = 0 ? vfio_iova_get_vfio_pfn(dma, iova) : NULL;
 ...>
 }
