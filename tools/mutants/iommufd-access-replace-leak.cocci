// SPDX-License-Identifier: GPL-2.0
// what: iommufd: a driver that is given another address space in place of its
//   first one is not told to let go of that one's pages.
// kind: S
// files: drivers/iommu/iommufd/device.c
// versions: 6.12-
// needs: no-iommu
// counter: +N/+0
// log: WARN that an access is not known, or not given up
// tests: iommufd_test matrix_test=iommufd_* geometry_test=iommufd_*
//   limits_test=memlock*.iommufd_*
// functions: iommufd_access_change_ioas iommufd_access_unpin_pages
//   iopt_area_remove_access iopt_unmap_iova_range iommufd_ioas_destroy

@@
identifier access, new_ioas;
@@
 iommufd_access_change_ioas(struct iommufd_access *access,
			    struct iommufd_ioas *new_ioas)
 {
 <...
-	if (access->ops->unmap)
+	if (access->ops->unmap && !new_ioas)
 	{ ... }
 ...>
 }
