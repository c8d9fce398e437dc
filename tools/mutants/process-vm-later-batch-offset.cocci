// SPDX-License-Identifier: GPL-2.0
// what: process_vm_readv() and process_vm_writev() of more memory than is
//   pinned at once (1024 pages) go on within a page where they began within
//   one, not at its start.
// kind: S
// files: mm/process_vm_access.c
// versions: 5.10-
// counter: balanced
// data: bytes are left out at each batch's start; the result is shorter
// tests: data_test=process_vm_*.*
// functions: process_vm_rw_single_vec

@@
expression start_offset;
@@
 process_vm_rw_single_vec(...)
 {
 <...
-	start_offset = 0;
 ...>
 }
