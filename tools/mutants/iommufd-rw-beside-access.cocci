// SPDX-License-Identifier: GPL-2.0
// what: iommufd: a transfer of memory to the front of which an access holds on
//   unpins as many pages as it has pinned, but those at the front.
// kind: S
// files: drivers/iommu/iommufd/pages.c
// versions: 6.2-
// needs: no-iommu
// counter: balanced, as long as the access is there
// page: those of the access are not pinned any more, those behind are for good
// tests: iommufd_test matrix_test=iommufd_* geometry_test=iommufd_*
//   limits_test=memlock*.iommufd_*
// functions: pfn_reader_unpin batch_unpin iopt_pages_unfill_xarray
//   unpin_user_page_range_dirty_lock

@@
expression batch, pages, first, n;
@@
 pfn_reader_unpin(...)
 {
 <...
-	batch_unpin(batch, pages, first, n);
+	batch_unpin(batch, pages, 0, n);
 ...>
 }
