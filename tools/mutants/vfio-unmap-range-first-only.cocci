// SPDX-License-Identifier: GPL-2.0
// what: VFIO: unmapping a range that covers several mappings unmaps, and
//   unpins, only the first.
// kind: S
// files: drivers/vfio/vfio_iommu_type1.c
// versions: 5.12-
// counter: +N/+less until the container is closed
// vm: VmLck until then
// tests: vfio_test
// functions: vfio_dma_do_unmap

@@
symbol unmap_all;
expression iommu, dma;
@@
 vfio_dma_do_unmap(...)
 {
 <...
 	vfio_remove_dma(iommu, dma);
+	if (!unmap_all)
+		break;
 ...>
 }
