// SPDX-License-Identifier: GPL-2.0
// what: Zero-copy receive: a queue that is exported when no file descriptor is
//   left keeps a reference for a file that nobody has, and its area is never
//   unpinned.
// kind: S
// files: io_uring/zcrx.c
// versions: 7.3-
// counter: +N/+0 after the ring is closed, -EMFILE
// vm: VmPin
// tests: uring_test matrix_test=uring_* geometry_test=uring_*
//   limits_test=memlock*.uring_* bad_input_test=uring_* fail_nth_test=uring_*
//   teardown_test
// functions: zcrx_export zcrx_box_release

@@
identifier fd;
@@
 zcrx_export(...)
 {
 <...
 	if (fd < 0) {
-		fput(...);
 		return fd;
 	}
 ...>
 }
