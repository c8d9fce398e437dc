// SPDX-License-Identifier: GPL-2.0
// what: The slow path takes one pin too many on each large folio.
// kind: S
// files: mm/gup.c
// versions: 6.5-
// counter: +513/+0 for a huge page, one stays
// page: one pin too many
// tests: matrix_test=xdp_umem.thp*,xdp_umem.hugetlb*,process_vm_*.thp*,process_vm_*.hugetlb*,vfio_type1.thp*,vfio_type1.hugetlb*
//   page_view_test node_test
// functions: __get_user_pages

@@
expression folio, increm, flags;
@@
 __get_user_pages(...)
 {
 <...
-	try_grab_folio(folio, increm - 1, flags)
+	try_grab_folio(folio, increm, flags)
 ...>
 }
