// SPDX-License-Identifier: GPL-2.0
// what: Rings and regions in user memory that cannot be pinned are not taken
//   off the user's locked memory.
// kind: S
// files: io_uring/memmap.c
// versions: 7.3-
// counter: balanced
// vm: the user's locked memory: with time nothing can be registered any more
// tests: uring_test matrix_test=uring_* geometry_test=uring_*
//   limits_test=memlock*.uring_* rlimit_test teardown_test
//   bad_input_test=uring_* fail_nth_test=uring_* race_test
// functions: io_free_region io_create_region

@@
expression mr, user;
@@
 io_free_region(...)
 {
 <...
-	mr->nr_pages && user
+	mr->pages && user
 ...>
 }
