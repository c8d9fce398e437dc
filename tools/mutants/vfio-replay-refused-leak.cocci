// SPDX-License-Identifier: GPL-2.0
// what: VFIO: when an IOMMU joins a device without one and a later mapping
//   exceeds RLIMIT_MEMLOCK, the mappings before it stay pinned.
// kind: S
// files: drivers/vfio/vfio_iommu_type1.c
// versions: 6.12-
// counter: +N/+0, -ENOMEM
// vm: VmLck
// tests: vfio_test=mdev.joined*
// functions: vfio_iommu_replay

@@
@@
 vfio_iommu_replay(...)
 {
 <...
 	iommu_unmap(...);
-	vfio_unpin_pages_remote(...);
 ...>
 }
