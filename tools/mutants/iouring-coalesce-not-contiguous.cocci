// SPDX-License-Identifier: GPL-2.0
// what: Fixed buffers: pages of one large folio are joined although they are
//   not mapped in the folio's order.
// kind: S
// files: io_uring/rsrc.c
// versions: 6.12-
// counter: balanced
// data: reads and writes go to other pages of the folio
// tests: uring_test matrix_test=uring_* geometry_test=uring_*
//   limits_test=memlock*.uring_* rlimit_test bad_input_test=uring_*
//   inflight_test=*.uring.*
// functions: io_try_coalesce_buffer io_sqe_buffer_register

@@
expression folio, page_array, i;
@@
 io_try_coalesce_buffer(...)
 {
 <...
-	if (page_folio(page_array[i]) == folio && page_array[i] == page_array[i-1] + 1)
+	if (page_folio(page_array[i]) == folio)
 	{ ... }
 ...>
 }
