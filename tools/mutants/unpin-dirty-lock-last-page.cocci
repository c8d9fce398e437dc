// SPDX-License-Identifier: GPL-2.0
// what: unpin_user_pages_dirty_lock() misses the last page when it has to mark
//   pages dirty.
// kind: S
// files: mm/gup.c
// versions: 5.10-
// counter: +N/+(N-1)
// tests: matrix_test=xdp_umem.*,process_vm_writev.*,rds_info.*,helper_*
// functions: unpin_user_pages_dirty_lock

@@
identifier pages, npages, make_dirty, i, nr;
@@
 unpin_user_pages_dirty_lock(struct page **pages, unsigned long npages, bool make_dirty)
 {
 ...
-	for (i = 0; i < npages; i += nr)
+	for (i = 0; i + 1 < npages; i += nr)
 	{ ... }
 }
