// SPDX-License-Identifier: GPL-2.0
// what: A ring of provided buffers in user memory is taken for longer by its
//   header, which lies in its first entry: if its entries fill the last page,
//   the page behind is pinned, too, and if there is none, the ring is refused.
// kind: S
// files: io_uring/kbuf.c
// versions: 6.6-6.13
// counter: +(N+1)/+(N+1) for 256 entries or a multiple
// page: the page behind the ring is pinned
// data: EFAULT where nothing is mapped behind
// tests: matrix_test=uring_pbuf_ring.* geometry_test=uring_pbuf_ring.*
//   uring_test=pbuf.*
// functions: io_pin_pbuf_ring

@@
expression br, n;
identifier bufs;
@@
 io_pin_pbuf_ring(...)
 {
 <...
-	flex_array_size(br, bufs, n)
+	struct_size(br, bufs, n)
 ...>
 }
