// SPDX-License-Identifier: GPL-2.0
// what: A ring of provided buffers in user memory is not unpinned when it is
//   unregistered.
// kind: S
// files: io_uring/kbuf.c
// versions: 5.19-
// counter: +N/+0
// tests: matrix_test=uring_pbuf_ring.*
// functions: __io_remove_buffers io_put_bl

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

// Later it is a region, as those are that the kernel has allocated.
@@
expression E, bl;
identifier put = {__io_remove_buffers, io_put_bl};
@@
 put(...)
 {
 <...
+	if (!bl->region.pages ||
+	    !folio_maybe_dma_pinned(page_folio(bl->region.pages[0])))
 	io_free_region(E, &bl->region);
 ...>
 }
