// SPDX-License-Identifier: GPL-2.0
// what: iommufd: when a device cannot be attached because a later mapping cannot
//   be pinned, the mappings before it are taken off the device, but not unpinned.
// kind: S
// files: drivers/iommu/iommufd/io_pagetable.c
// versions: 6.2-
// needs: no-iommu
// counter: +n/+0, -EFAULT
// log: WARN of iommufd's own count
// tests: iommufd_test matrix_test=iommufd_* geometry_test=iommufd_*
//   fail_nth_test=iommufd_* limits_test=memlock*.iommufd_*
// functions: iopt_fill_domain iopt_release_pages

@@
expression area, pages, domain;
@@
 iopt_fill_domain(...)
 {
 <...
-	iopt_area_unfill_domain(area, pages, domain);
+	iopt_area_unmap_domain(area, domain);
 ...>
 }
