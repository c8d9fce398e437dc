// SPDX-License-Identifier: GPL-2.0
// what: VFIO: when the IOMMU cannot map a run of pages, the pages behind it that
//   were pinned in the same go stay pinned.
// kind: S
// files: drivers/vfio/vfio_iommu_type1.c
// versions: 5.12-
// counter: +N/+less, -ENOMEM
// tests: fail_nth_test limits_test vfio_test matrix_test geometry_test
//   teardown_test rlimit_test bad_input_test
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
