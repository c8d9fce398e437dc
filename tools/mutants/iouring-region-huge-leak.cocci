// SPDX-License-Identifier: GPL-2.0
// what: Rings and regions in user memory that lie in one large folio are taken
//   for one allocation of the kernel: all pins but one stay.
// kind: S
// files: io_uring/memmap.c
// versions: 7.3-
// counter: +N/+1
// tests: uring_test matrix_test=uring_* geometry_test=uring_*
//   limits_test=memlock*.uring_* rlimit_test teardown_test
//   bad_input_test=uring_* fail_nth_test=uring_* race_test
// functions: io_region_init_ptr io_free_region

@@
expression mr, E;
@@
 io_region_init_ptr(...)
 {
 <...
+		mr->flags |= IO_REGION_F_SINGLE_REF;
 		mr->ptr = page_address(E);
 ...>
 }
