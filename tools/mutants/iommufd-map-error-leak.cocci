// SPDX-License-Identifier: GPL-2.0
// what: iommufd: when a mapping fails after pages were pinned for it, those
//   not handed on yet stay pinned.
// kind: S
// files: drivers/iommu/iommufd/pages.c
// versions: 6.2-
// needs: no-iommu
// counter: +n/+0
// tests: matrix_test=iommufd* fail_nth_test=iommufd*
// functions: pfn_reader_release_pins

@@
expression E1, E2;
@@
 pfn_reader_release_pins(...)
 {
 <...
-	unpin_user_pages(E1, E2);
 ...>
 }
