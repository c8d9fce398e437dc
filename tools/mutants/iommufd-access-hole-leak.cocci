// SPDX-License-Identifier: GPL-2.0
// what: iommufd: a driver's access to memory with a hole is refused, and what
//   was pinned before the hole stays so.
// kind: S
// files: drivers/iommu/iommufd/pages.c
// versions: 6.2-
// needs: no-iommu
// counter: +n/+0
// log: WARN of iommufd's own count
// tests: matrix_test=iommufd_access.* geometry_test=iommufd_access.*
//   iommufd_test
// functions: iopt_pages_fill_from_mm iopt_release_pages

@@
expression start_index, cur_index, pages, out_pages;
@@
 iopt_pages_fill_from_mm(...)
 {
 <...
-	if (start_index != cur_index)
-		iopt_pages_err_unpin(pages, start_index, cur_index - 1, out_pages);
 ...>
 }
