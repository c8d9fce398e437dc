// SPDX-License-Identifier: GPL-2.0
// what: process_vm_readv() marks the pages dirty that it only read.
// kind: S
// files: mm/process_vm_access.c
// versions: 5.10-
// counter: balanced
// page: dirty, though nobody wrote to it
// log: of ext4, about dirty pages without buffers
// tests: matrix_test=process_vm_* geometry_test=process_vm_*
//   bad_input_test=process_vm.*
// functions: process_vm_rw_single_vec process_vm_rw_core ext4_dirty_folio

@@
expression pages, n;
identifier vm_write;
@@
 process_vm_rw_single_vec(...)
 {
 <...
-	unpin_user_pages_dirty_lock(pages, n, vm_write);
+	unpin_user_pages_dirty_lock(pages, n, true);
 ...>
 }
