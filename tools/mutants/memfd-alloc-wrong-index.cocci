// SPDX-License-Identifier: GPL-2.0
// what: memfd_pin_folios() puts a new huge page at the wrong index of a
//   hugetlb memfd, and does not find it there.
// kind: R
// fix: 9289f020da47
// fixed-in: 6.12
// catalogue: yes
// files: mm/memfd.c
// versions: 6.12-
// counter: none
// log: the call hangs, or the pool of huge pages runs empty
// tests: matrix_test=udmabuf*hugetlb*,helper_memfd.memfd_hugetlb*
//   geometry_test=*.memfd_hugetlb_fresh*
// functions: memfd_alloc_folio memfd_pin_folios

@@
identifier idx;
expression E;
@@
 memfd_alloc_folio(struct file *memfd, pgoff_t idx)
 {
 <...
-	idx >>= huge_page_order(E);
 ...>
 }
