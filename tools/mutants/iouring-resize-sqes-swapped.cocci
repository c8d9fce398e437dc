// SPDX-License-Identifier: GPL-2.0
// what: Rings in user memory that are resized: the new entries of the submission
//   queue are used, but the old ones noted, so that these stay pinned until
//   the end of the ring, and the new ones for ever.
// kind: S
// files: io_uring/register.c
// versions: 6.13-
// counter: +N/+M, M < N
// tests: uring_test=resize*
// functions: io_register_resize_rings

@@
symbol sq_region;
expression ctx, o, n;
@@
 io_register_resize_rings(...)
 {
 <...
-	swap_old(ctx, o, n, sq_region);
 ...>
 }
