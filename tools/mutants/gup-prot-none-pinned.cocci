// SPDX-License-Identifier: GPL-2.0
// what: Memory that the process may not read (PROT_NONE) is pinned for
//   reading all the same.
// kind: S
// files: mm/gup.c
// versions: 5.10-
// counter: +N/+N and success instead of +0/+0 and -EFAULT
// tests: bad_input_test helper_bad_input_test matrix_test geometry_test
//   longterm_test uring_test vfio_test rdma_test iommufd_test
//   dio_target_test
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
