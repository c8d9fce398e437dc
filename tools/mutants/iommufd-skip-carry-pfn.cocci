// SPDX-License-Identifier: GPL-2.0
// what: iommufd: a run of contiguous pages to the front of which an access holds
//   on is unmapped: as many pages are unpinned as are behind it, but from the
//   front.
// kind: S
// files: drivers/iommu/iommufd/pages.c
// versions: 6.2-
// needs: no-iommu
// counter: balanced
// page: those of the access are not pinned any more, those behind are for good
// tests: iommufd_test matrix_test=iommufd_* geometry_test=iommufd_*
//   limits_test=memlock*.iommufd_*
// functions: batch_skip_carry batch_unpin iopt_pages_unfill_xarray
//   unpin_user_page_range_dirty_lock

@@
identifier batch;
expression n;
@@
 batch_skip_carry(...)
 {
 <...
-	batch->pfns[0] += n;
 ...>
 }
