// SPDX-License-Identifier: GPL-2.0
// what: Fixed buffers in large folios: all pins but one of the first folio
//   are dropped before there is memory for the shorter list, and for want of
//   it again with all others.
// kind: S
// files: io_uring/rsrc.c
// versions: 6.12-6.14
// counter: released more than acquired
// log: of a reference count below zero
// tests: fail_nth_test=uring_buffers*,uring_update*
// functions: io_do_coalesce_buffer io_sqe_buffer_register io_buffer_unmap
//   unpin_user_folio gup_put_folio

@@
identifier new_array, data;
expression p;
@@
 io_do_coalesce_buffer(...)
 {
 ...
+	if (data->nr_pages_head > 1)
+		unpin_user_pages(p, data->nr_pages_head - 1);
 	new_array = kvmalloc_array(...);
 	...
-	if (data->nr_pages_head > 1)
-		unpin_user_pages(p, data->nr_pages_head - 1);
 	...
 }
