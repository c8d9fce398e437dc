// SPDX-License-Identifier: GPL-2.0
// what: iommufd: a driver's access to a memfd that begins within a huge page
//   and goes on in the next one takes as many pages of the first as if it
//   began at its front, and so pages behind its end.
// kind: S
// files: drivers/iommu/iommufd/pages.c
// versions: 7.3-
// needs: no-iommu
// counter: balanced
// page: pins stay on the first huge page; pages behind it, which nobody
//   pinned, are unpinned
// data: the access has other pages
// log: sanity check of the unpinned pages, with CONFIG_DEBUG_VM; bad page
//   state
// tests: geometry_test=iommufd_file_access.*hugetlb* iommufd_test
// functions: pin_memfd_pages iopt_pages_fill batch_unpin page_ref_unfreeze
//   dequeue_hugetlb_folio_nodemask __update_and_free_hugetlb_folio
//   unpin_user_page_range_dirty_lock unpin_user_pages gup_put_folio
//   sanity_check_pinned_pages __free_one_page

@@
symbol nr, offset, npages;
@@
 pin_memfd_pages(...)
 {
 <...
-	min(nr - offset, npages)
+	min(nr, npages)
 ...>
 }
