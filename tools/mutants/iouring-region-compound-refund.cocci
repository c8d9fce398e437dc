// SPDX-License-Identifier: GPL-2.0
// what: Memory regions of a ring (IORING_REGISTER_MEM_REGION) that the
//   kernel allocates: the pages by which the allocation is larger than asked
//   for, as it is rounded up to a power of two, stay charged to the user.
// kind: S
// files: io_uring/memmap.c
// versions: 7.3-
// counter: +0/+0
// vm: the user's locked memory: with time nothing can be registered any more
//   (without CAP_IPC_LOCK)
// tests: uring_test=charge.kernel_memory,zcrx.kernel_queue
// functions: io_free_region io_create_region __io_account_mem

@@
symbol nr_accounted;
expression mr;
@@
 io_free_region(...)
 {
 <...
-	if (mr->flags & IO_REGION_F_SINGLE_REF)
-		nr_accounted = 1UL << get_order(io_region_size(mr));
 ...>
 }
