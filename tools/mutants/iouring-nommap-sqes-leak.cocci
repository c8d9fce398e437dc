// SPDX-License-Identifier: GPL-2.0
// what: Rings in user memory: the pages of the submission queue's entries are
//   not unpinned.
// kind: S
// files: io_uring/io_uring.c
// versions: 6.10-
// counter: +N/+less
// tests: matrix_test=uring_nommap.*
// functions: io_rings_free

@@
expression ctx;
@@
 io_rings_free(...)
 {
 <...
-	io_pages_free(&ctx->sqe_pages, ctx->n_sqe_pages);
 ...>
 }

// Later they are a region, as those are that the kernel has allocated.
@@
expression ctx, E;
@@
 io_rings_free(...)
 {
 <...
+	if (!(ctx->flags & IORING_SETUP_NO_MMAP))
 	io_free_region(E, &ctx->sq_region);
 ...>
 }
