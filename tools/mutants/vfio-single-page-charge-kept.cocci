// SPDX-License-Identifier: GPL-2.0
// what: VFIO: a mapping of one page is not taken off VmLck when it is
//   unmapped.
// kind: S
// files: drivers/vfio/vfio_iommu_type1.c
// versions: 5.10-
// counter: balanced
// vm: VmLck
// tests: vfio_test matrix_test=vfio_type1.* geometry_test=vfio_type1.*
// functions: vfio_unmap_unpin

@@
expression dma, unlocked;
@@
 vfio_unmap_unpin(...)
 {
 <...
-	vfio_lock_acct(dma, -unlocked, true);
+	if (unlocked > 1)
+		vfio_lock_acct(dma, -unlocked, true);
 ...>
 }
