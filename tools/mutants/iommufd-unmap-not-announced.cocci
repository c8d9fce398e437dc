// SPDX-License-Identifier: GPL-2.0
// what: iommufd: who has pages of a range pinned for software access, as a
//   mediated device, is not told when the range is to be unmapped.
// kind: S
// files: drivers/iommu/iommufd/device.c
// versions: 6.2-
// needs: no-iommu
// counter: +N/+0 as long as the access has them
// page: pinned after the unmapping, which fails
// log: WARN in iopt_unmap_iova_range()
// tests: iommufd_test fail_nth_test=iommufd_access* matrix_test=iommufd_access.*,iommufd_mdev.*
// functions: iommufd_access_notify_unmap iopt_unmap_iova_range

@@
expression access, iova, length;
@@
 iommufd_access_notify_unmap(...)
 {
 <...
-	access->ops->unmap(access->data, iova, length);
 ...>
 }
