// SPDX-License-Identifier: GPL-2.0
// what: A ring of provided buffers that cannot be mapped for the kernel stays
//   pinned.
// kind: S
// files: io_uring/kbuf.c
// versions: 6.7-6.13
// counter: +N/+0, -ENOMEM
// tests: fail_nth_test=*pbuf*,uring_pbuf*
// functions: io_pin_pbuf_ring

@@
expression pages, nr;
@@
 io_pin_pbuf_ring(...)
 {
 <...
-	unpin_user_pages(pages, nr);
 ...>
 }
