// SPDX-License-Identifier: GPL-2.0
// what: VFIO: the last device with an IOMMU goes, and what one without has pinned
//   is charged to nobody.
// kind: S
// files: drivers/vfio/vfio_iommu_type1.c
// versions: 6.1-
// counter: balanced
// vm: VmLck too low
// tests: vfio_test=mdev.beside
// functions: vfio_iommu_unmap_unpin_reaccount

@@
expression dma;
identifier locked, unlocked;
@@
 vfio_iommu_unmap_unpin_reaccount(...)
 {
 <...
-	vfio_lock_acct(dma, locked - unlocked, true);
+	vfio_lock_acct(dma, -unlocked, true);
 ...>
 }
