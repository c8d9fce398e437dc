// SPDX-License-Identifier: GPL-2.0
// what: iommufd: unmapping a range to a part of which an in-kernel access
//   holds on takes the end of a batch from the wrong start, and unpins pages
//   behind it that were never mapped.
// kind: R
// fix: 727c28c1cef2
// fixed-in: 6.3
// catalogue: yes
// files: drivers/iommu/iommufd/pages.c
// versions: 6.3-
// needs: no-iommu
// counter: released more than acquired
// log: WARN in batch_unpin() or iopt_pages_sub_npinned()
// tests: matrix_test=iommufd* geometry_test=iommufd_detach.*
// functions: iopt_area_unpin_domain batch_unpin iopt_pages_sub_npinned
//   __iopt_area_unfill_domain unpin_user_page_range_dirty_lock update_unpinned
//   iopt_release_pages

@@
identifier start, start_index, batch, domain, area, last_index, batch_last;
@@
 iopt_area_unpin_domain(...)
 {
 <...
 	batch_from_domain(batch, domain, area, start, last_index);
-	batch_last = start_index + batch->total_pfns - 1;
+	batch_last = start + batch->total_pfns - 1;
 ...>
 }
