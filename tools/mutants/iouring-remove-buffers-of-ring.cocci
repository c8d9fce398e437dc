// SPDX-License-Identifier: GPL-2.0
// what: IORING_OP_REMOVE_BUFFERS, which is for provided buffers without a
//   ring, is let loose on a ring of them in user memory, which is unpinned
//   though it is registered.
// kind: S
// files: io_uring/kbuf.c
// versions: 6.10-6.12
// counter: +N/+N at a request that is to be refused
// page: not pinned, though registered
// tests: uring_test=pbuf.*
// functions: io_remove_buffers __io_remove_buffers io_unregister_pbuf_ring

@@
identifier bl;
statement S;
@@
 io_remove_buffers(...)
 {
 <...
-	if (!(bl->flags & IOBL_BUF_RING))
 		S
 ...>
 }
