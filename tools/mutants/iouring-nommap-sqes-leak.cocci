// SPDX-License-Identifier: GPL-2.0
// what: Rings in user memory: the pages of the submission queue's entries are
//   not unpinned.
// kind: S
// files: io_uring/io_uring.c
// versions: 6.10-6.13
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
