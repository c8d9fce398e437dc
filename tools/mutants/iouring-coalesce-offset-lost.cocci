// SPDX-License-Identifier: GPL-2.0
// what: Fixed buffers that begin inside a large folio use the folio's first
//   pages instead of their own.
// kind: S
// files: io_uring/rsrc.c
// versions: 6.12-6.12
// counter: balanced
// data: reads and writes go to other pages of the folio
// tests: uring_test matrix_test=uring_* geometry_test=uring_*
//   limits_test=memlock*.uring_* rlimit_test bad_input_test=uring_*
//   inflight_test=*.uring.*
// functions: io_sqe_buffer_register io_import_fixed

@@
identifier off, data, coalesced;
@@
 io_sqe_buffer_register(...)
 {
 <...
-	if (coalesced)
-		off += data.first_folio_page_idx << PAGE_SHIFT;
 ...>
 }
