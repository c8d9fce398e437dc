// SPDX-License-Identifier: GPL-2.0
// what: VFIO: unmapping memory that is not contiguous takes only the last run of
//   pages off VmLck.
// kind: S
// files: drivers/vfio/vfio_iommu_type1.c
// versions: 5.10-
// counter: balanced
// vm: VmLck
// tests: vfio_test matrix_test=vfio_* geometry_test=vfio_*
//   limits_test=memlock*.vfio_*
// functions: vfio_sync_unpin

@@
identifier unlocked;
expression list args;
@@
 vfio_sync_unpin(...)
 {
 <...
-	unlocked += vfio_unpin_pages_remote(args);
+	unlocked = vfio_unpin_pages_remote(args);
 ...>
 }
