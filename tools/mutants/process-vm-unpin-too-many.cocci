// SPDX-License-Identifier: GPL-2.0
// what: process_vm_readv() and process_vm_writev() unpin the first page twice
//   when they copy several.
// kind: S
// files: mm/process_vm_access.c
// versions: 5.10-
// counter: +N/+(N+1)
// page: references below what they should be
// tests: matrix_test=process_vm_* bad_input_test=process_vm.*
// functions: process_vm_rw_single_vec process_vm_rw_core unpin_user_page
//   unpin_user_pages_dirty_lock sanity_check_pinned_pages

@@
expression pages, n, dirty;
@@
 process_vm_rw_single_vec(...)
 {
 <...
 	unpin_user_pages_dirty_lock(pages, n, dirty);
+	if (n > 1)
+		unpin_user_page(pages[0]);
 ...>
 }
