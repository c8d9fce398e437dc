// SPDX-License-Identifier: GPL-2.0
// what: VFIO: when an IOMMU joins a device without one, a run of pages is not
//   charged for its last page if the device has pinned the page behind it.
// kind: S
// files: drivers/vfio/vfio_iommu_type1.c
// versions: 7.3-
// counter: balanced
// vm: VmLck: a page less
// tests: vfio_test=mdev.joined*
// functions: vfio_find_vpfn_range vpfn_pages vfio_pin_pages_remote
//   __account_locked_vm
//   vfio_iommu_replay

@@
identifier vpfn, iova_end;
@@
 vfio_find_vpfn_range(...)
 {
 <...
-	iova_end <= vpfn->iova
+	iova_end < vpfn->iova
 ...>
 }
