// SPDX-License-Identifier: GPL-2.0
// what: iommufd: when a driver's access ends, its pages are unpinned, but not
//   taken off VmPin.
// kind: S
// files: drivers/iommu/iommufd/pages.c
// versions: 6.2-
// needs: no-iommu
// counter: balanced
// vm: VmPin
// tests: matrix_test=iommufd_access.*,iommufd_detach.* iommufd_test
// functions: iopt_pages_unfill_xarray iopt_release_pages

@@
expression pages;
@@
 iopt_pages_unfill_xarray(...)
 {
 <...
-	update_unpinned(pages);
 ...>
 }
