// SPDX-License-Identifier: GPL-2.0
// what: The slow path pins within a huge page (THP or hugetlbfs) as many pages
//   as asked for, but from its start on, not from the address on.
// kind: S
// files: mm/gup.c
// versions: 6.10-
// counter: balanced
// data: other parts of the huge page are read or written
// tests: data_test=process_vm_*.* geometry_test=xdp_umem.*,vfio_type1*.*
// functions: follow_huge_pmd

@@
expression page, addr;
@@
 follow_huge_pmd(...)
 {
 <...
-	page += (addr & ~HPAGE_PMD_MASK) >> PAGE_SHIFT;
 ...>
 }
