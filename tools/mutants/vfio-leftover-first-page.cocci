// SPDX-License-Identifier: GPL-2.0
// what: VFIO: of memory that is not contiguous the device gets the first page
//   of a batch of pinned pages in place of each that did not fit to it; at the
//   end that one is unpinned for all.
// kind: S
// files: drivers/vfio/vfio_iommu_type1.c
// versions: 5.12-
// counter: balanced
// page: a page has pins and references below what they should be, others keep
//   theirs
// data: the device reads and writes the wrong page
// tests: vfio_test geometry_test=vfio_type1*.*
// functions: vfio_pin_pages_remote vfio_unpin_pages_remote put_pfn
//   unpin_user_pages_dirty_lock unpin_user_pages sanity_check_pinned_pages

@@
expression batch, pfn_base;
@@
 vfio_pin_pages_remote(...)
 {
 <...
-	*pfn_base = page_to_pfn(batch->pages[batch->offset]);
+	*pfn_base = page_to_pfn(batch->pages[0]);
 ...>
 }
