// SPDX-License-Identifier: GPL-2.0
// what: process_vm_readv() and process_vm_writev() return before they unpin
//   when the local side faults.
// kind: S
// catalogue: yes
// files: mm/process_vm_access.c
// versions: 5.10-
// counter: +N/+0, -EFAULT or a short count
// tests: bad_input_test=process_vm.* matrix_test=process_vm_*
// functions: process_vm_rw_single_vec

@@
expression rc;
@@
 rc = process_vm_rw_pages(...);
+if (rc)
+	return rc;
