// SPDX-License-Identifier: GPL-2.0
// what: VFIO: mapping memory that is not contiguous, each run of pages is
//   taken to be as long as the first one of the batch: pages behind a shorter
//   run are mapped, and unpinned, that nobody has pinned.
// kind: S
// files: drivers/vfio/vfio_iommu_type1.c
// versions: 7.3-
// counter: balanced
// page: the pages of the next runs stay pinned, those behind a run lose pins
//   that they have not
// data: a device gets other pages than those that are mapped
// log: sanity check of the unpinned pages, with CONFIG_DEBUG_VM; bad page
//   state
// tests: vfio_test=map.* geometry_test=vfio_type1*.*
// functions: vfio_pin_pages_remote num_pages_contiguous
//   vfio_unpin_pages_remote put_valid_unreserved_pfns gup_put_folio
//   unpin_user_page_range_dirty_lock

@@
expression batch;
@@
 vfio_pin_pages_remote(...)
 {
 <...
-	num_pages_contiguous(&batch->pages[batch->offset], batch->size)
+	num_pages_contiguous(batch->pages, batch->size)
 ...>
 }
