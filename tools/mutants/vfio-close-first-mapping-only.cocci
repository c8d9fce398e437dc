// SPDX-License-Identifier: GPL-2.0
// what: VFIO: when the last device goes, only one of its mappings is unpinned.
// kind: S
// files: drivers/vfio/vfio_iommu_type1.c
// versions: 5.10-
// counter: +N/+less for more than one mapping
// vm: VmLck
// tests: vfio_test matrix_test=vfio_* geometry_test=vfio_*
//   limits_test=memlock*.vfio_*
// functions: vfio_iommu_unmap_unpin_all

@@
expression node, E;
statement S;
@@
 vfio_iommu_unmap_unpin_all(...)
 {
 <...
-	while ((node = rb_first(E))) S
+	node = rb_first(E);
+	if (node) S
 ...>
 }
