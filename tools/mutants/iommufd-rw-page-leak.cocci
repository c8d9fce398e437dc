// SPDX-License-Identifier: GPL-2.0
// what: iommufd: an in-kernel access of one page, as devices of virtual
//   machines make it, leaves that page pinned.
// kind: S
// files: drivers/iommu/iommufd/pages.c
// versions: 6.2-
// needs: no-iommu
// counter: +1/+0
// tests: matrix_test=iommufd*
// functions: iopt_pages_rw_page

@@
expression page;
@@
 iopt_pages_rw_page(...)
 {
 <...
-	unpin_user_page(page);
 ...>
 }
