// SPDX-License-Identifier: GPL-2.0
// what: io_uring: when only the front of a buffer could be pinned, that part
//   stays pinned.
// kind: S
// files: io_uring/memmap.c
// versions: 6.10-
// counter: +n/+0, -EFAULT
// tests: matrix_test=uring_buffers.hole.*,uring_pbuf_ring.hole.*,uring_update.hole.*
//   bad_input_test=uring_buffers.* uring_test=bad.*,update.fails*
// functions: io_pin_pages

@@
identifier ret;
expression pages;
@@
 io_pin_pages(...)
 {
 <...
-	if (ret)
-		unpin_user_pages(pages, ret);
 ...>
 }
