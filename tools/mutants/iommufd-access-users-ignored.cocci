// SPDX-License-Identifier: GPL-2.0
// what: iommufd: of two in-kernel accesses to the very same range the second
//   is not noted, and the pages are unpinned when the first of them ends.
// kind: S
// files: drivers/iommu/iommufd/pages.c
// versions: 6.2-
// needs: no-iommu
// counter: released when the first access ends
// page: not pinned, though a driver has it
// log: WARN in iopt_area_remove_access()
// tests: iommufd_test
// functions: iopt_area_add_access iopt_area_remove_access
//   iommufd_access_unpin_pages iopt_release_pages iopt_destroy_table

@@
expression access;
@@
 iopt_area_add_access(...)
 {
 <...
-	access->users++;
 ...>
 }
