// SPDX-License-Identifier: GPL-2.0
// what: iommufd: a hardware queue of a guest that is refused, as its memory is
//   not contiguous, leaves that pinned, and it cannot be unmapped.
// kind: S
// files: drivers/iommu/iommufd/viommu.c
// versions: 7.3-
// needs: no-iommu
// counter: +N/+0, -EFAULT
// vm: VmPin
// tests: iommufd_test matrix_test=iommufd_* geometry_test=iommufd_*
//   fail_nth_test=iommufd_* limits_test=memlock*.iommufd_*
// functions: iommufd_hw_queue_alloc_phys iommufd_access_detach_internal
//   iopt_unmap_iova_range iommufd_ioas_destroy

@@
@@
 iommufd_hw_queue_alloc_phys(...)
 {
 <...
-	iommufd_access_unpin_pages(...);
 ...>
 }
