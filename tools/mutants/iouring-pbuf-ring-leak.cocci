// SPDX-License-Identifier: GPL-2.0
// what: A ring of provided buffers in user memory is not unpinned when it is
//   unregistered.
// kind: S
// files: io_uring/kbuf.c
// versions: 5.19-6.13
// counter: +N/+0
// tests: matrix_test=uring_pbuf_ring.*
// functions: __io_remove_buffers

@@
identifier j, bl;
@@
 __io_remove_buffers(...)
 {
 <...
-	for (j = 0; j < bl->buf_nr_pages; j++)
-		unpin_user_page(bl->buf_pages[j]);
+	bl->buf_nr_pages = 0;
 ...>
 }
