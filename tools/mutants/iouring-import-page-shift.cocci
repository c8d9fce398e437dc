// SPDX-License-Identifier: GPL-2.0
// what: Fixed buffers of several large folios: a request that begins in a
//   later folio begins at the first page of it that has its offset in a page.
// kind: S
// files: io_uring/rsrc.c
// versions: 6.10-
// counter: balanced
// data: reads and writes go to another page of the folio
// tests: uring_test matrix_test=uring_* geometry_test=uring_*
//   limits_test=memlock*.uring_* rlimit_test bad_input_test=uring_*
//   inflight_test=*.uring.*
// functions: io_import_fixed

@@
expression imu, offset;
identifier iter;
@@
 io_import_fixed(...)
 {
 <...
-	iter->iov_offset = offset & ((1UL << imu->folio_shift) - 1);
+	iter->iov_offset = offset & ~PAGE_MASK;
 ...>
 }
