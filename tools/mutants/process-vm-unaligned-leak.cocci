// SPDX-License-Identifier: GPL-2.0
// what: process_vm_readv() and process_vm_writev() unpin as many pages as the
//   bytes would fill, not as many as they lie in.
// kind: S
// files: mm/process_vm_access.c
// versions: 5.6-
// counter: +(n+1)/+n
// tests: matrix_test=process_vm_*.anon_unaligned.* geometry_test=process_vm_* bad_input_test
// functions: process_vm_rw_single_vec

@@
expression pages, nr, dirty;
@@
 process_vm_rw_single_vec(...)
 {
 <...
-	unpin_user_pages_dirty_lock(pages, nr, dirty);
+	unpin_user_pages_dirty_lock(pages, DIV_ROUND_UP(bytes, PAGE_SIZE), dirty);
 ...>
 }
