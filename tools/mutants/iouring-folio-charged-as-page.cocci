// SPDX-License-Identifier: GPL-2.0
// what: Fixed buffers: a large folio is charged as one page.
// kind: S
// files: io_uring/rsrc.c
// versions: 6.1-
// counter: balanced
// vm: VmPin, and RLIMIT_MEMLOCK is not kept
// tests: matrix_test=uring_buffers.*,uring_update.* uring_test rlimit_test
// functions: io_buffer_account_pin

@@
expression hpage;
@@
 io_buffer_account_pin(...)
 {
 <...
-	page_size(hpage) >> PAGE_SHIFT
+	1
 ...>
 }
