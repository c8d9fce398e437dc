// SPDX-License-Identifier: GPL-2.0
// what: Rings in user memory that are to replace smaller or larger ones
//   (IORING_REGISTER_RESIZE_RINGS) and are refused, as what is pending does not
//   fit into them, stay pinned.
// kind: S
// files: io_uring/register.c
// versions: 6.13-
// counter: +N/+0, -EOVERFLOW
// tests: uring_test=resize*
// functions: io_register_resize_rings

@@
identifier to_free, ret;
expression ctx;
@@
 io_register_resize_rings(...)
 {
 <...
+	if (!ret)
 	io_register_free_rings(ctx, to_free);
 ...>
 	return ret;
 }
