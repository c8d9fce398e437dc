// SPDX-License-Identifier: GPL-2.0
// what: A zero-copy send from a fixed buffer takes a reference on each page,
//   beside the buffer's pin, which nobody drops.
// kind: S
// files: io_uring/net.c
// versions: 6.0-
// counter: balanced
// page: a plain reference more for each send; never freed
// tests: matrix_test=uring_send*.*
// functions: io_sg_from_iter

@@
identifier skb, frag, shinfo, v;
@@
 io_sg_from_iter(struct sk_buff *skb, ...)
 {
 <...
+	get_page(v.bv_page);
 	__skb_fill_page_desc_noacc(shinfo, frag++, v.bv_page, v.bv_offset,
 				   v.bv_len);
 ...>
 }
