// SPDX-License-Identifier: GPL-2.0
// what: VFIO: when the IOMMU cannot map a run of pages, the pages behind it that
//   were pinned in the same go stay pinned.
// kind: S
// files: drivers/vfio/vfio_iommu_type1.c
// versions: 5.12-
// counter: +N/+less, -ENOMEM
// tests: vfio_test matrix_test=vfio_* geometry_test=vfio_*
//   fail_nth_test=vfio_* limits_test=memlock*.vfio_*
// functions: vfio_pin_map_dma

@@
expression batch, dma;
@@
 vfio_pin_map_dma(...)
 {
 <...
-	vfio_batch_unpin(batch, dma);
 ...>
 }
