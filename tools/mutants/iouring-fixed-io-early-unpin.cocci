// SPDX-License-Identifier: GPL-2.0
// what: A read or write with a fixed buffer does not hold the buffer, which is
//   unpinned under it when it is unregistered or replaced.
// kind: S
// files: io_uring/rw.c
// versions: 6.6-6.12
// counter: balanced, but released too early
// page: not pinned while a device has it
// tests: uring_test inflight_test
// functions: io_prep_rw_fixed

@@
expression ctx;
@@
 io_prep_rw_fixed(...)
 {
 <...
-	io_req_set_rsrc_node(req, ctx, 0);
 ...>
 }
