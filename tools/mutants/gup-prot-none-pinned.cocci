// SPDX-License-Identifier: GPL-2.0
// what: Memory that the process may not read (PROT_NONE) is pinned for
//   reading all the same.
// kind: S
// files: mm/gup.c
// versions: 5.10-
// counter: +N/+N and success instead of +0/+0 and -EFAULT
// tests: bad_input_test longterm_test geometry_test=*.hole
//   matrix_test=helper_*.hole.*,process_vm_*.hole.*,dio_*.hole.*
// functions: check_vma_flags

@@
@@
 check_vma_flags(...)
 {
 <...
 	if (!(vm_flags & VM_READ)) {
-		if (!(gup_flags & FOLL_FORCE))
-			return -EFAULT;
 	...
 	}
 ...>
 }
