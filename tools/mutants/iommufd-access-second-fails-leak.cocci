// SPDX-License-Identifier: GPL-2.0
// what: iommufd: a driver's access to two mappings, of which the second cannot be
//   pinned or not be written to, is refused and leaves the first one pinned.
// kind: S
// files: drivers/iommu/iommufd/device.c
// versions: 6.2-
// needs: no-iommu
// counter: +n/+0, -EFAULT or -EPERM
// log: WARN that an access is not given up
// tests: iommufd_test matrix_test=iommufd_* geometry_test=iommufd_*
//   fail_nth_test=iommufd_* limits_test=memlock*.iommufd_*
// functions: iommufd_access_pin_pages iopt_unmap_iova_range iommufd_ioas_destroy
//   iopt_release_pages

@@
identifier iova, iter;
symbol rc;
@@
 iommufd_access_pin_pages(...)
 {
 <...
-	iova < iter.cur_iova
+	rc == -ENOENT && iova < iter.cur_iova
 ...>
 }
