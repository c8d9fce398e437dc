// SPDX-License-Identifier: GPL-2.0
// what: A driver's command with a fixed buffer, as of NVMe, does not hold the
//   buffer, which is unpinned under it when it is unregistered or replaced.
// kind: S
// files: io_uring/uring_cmd.c
// versions: 6.6-6.12
// counter: balanced, but released too early
// page: not pinned while a device has it
// tests: uring_test matrix_test=uring_* geometry_test=uring_*
//   limits_test=memlock*.uring_* rlimit_test bad_input_test=uring_*
//   inflight_test=*.uring.*,nvme.*
// functions: io_uring_cmd_prep

@@
expression ctx;
identifier req;
@@
 io_uring_cmd_prep(...)
 {
 <...
-	io_req_set_rsrc_node(req, ctx, 0);
 ...>
 }
