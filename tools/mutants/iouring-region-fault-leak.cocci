// SPDX-License-Identifier: GPL-2.0
// what: A memory region of a ring (IORING_REGISTER_MEM_REGION) whose
//   description cannot be written back to the process is refused, but stays
//   pinned, and charged.
// kind: S
// files: io_uring/register.c
// versions: 6.13-
// counter: +N/+0, -EFAULT
// vm: locked memory of the user stays
// tests: bad_input_test=uring_region*
// functions: io_register_mem_region io_create_region

@@
@@
 io_register_mem_region(...)
 {
 <...
 	if (copy_to_user(...)) {
-		io_free_region(...);
 		return -EFAULT;
 	}
 ...>
 }
