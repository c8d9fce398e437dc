// SPDX-License-Identifier: GPL-2.0
// what: Rings in user memory: when the entries cannot be mapped, the rings
//   that were stay pinned.
// kind: S
// files: io_uring/io_uring.c
// versions: 6.10-
// counter: +N/+0, -EFAULT
// tests: matrix_test=uring_nommap* geometry_test=uring_nommap*
//   fail_nth_test=uring_nommap*
// functions: io_allocate_scq_urings

@@
identifier ptr, ctx;
@@
 io_allocate_scq_urings(...)
 {
 <...
 	if (IS_ERR(ptr)) {
-		io_rings_free(ctx);
+		ctx->rings = NULL;
+		ctx->n_ring_pages = 0;
+		ctx->ring_pages = NULL;
 		return PTR_ERR(ptr);
 	}
 ...>
 }

// Later both are regions.
@@
expression ret, ctx;
@@
 io_allocate_scq_urings(...)
 {
 <...
 	if (ret) {
-		io_rings_free(ctx);
+		memset(&ctx->ring_region, 0, sizeof(ctx->ring_region));
+		ctx->rings = NULL;
 		return ret;
 	}
 ...>
 }
