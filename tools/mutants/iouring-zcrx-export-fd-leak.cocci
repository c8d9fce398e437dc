// SPDX-License-Identifier: GPL-2.0
// what: Zero-copy receive: a queue that is exported when no file descriptor is
//   left keeps a reference for a file that nobody has, and its area is never
//   unpinned.
// kind: S
// files: io_uring/zcrx.c
// versions: 7.3-
// counter: +N/+0 after the ring is closed, -EMFILE
// vm: VmPin
// tests: uring_test=zcrx.* matrix_test=uring_zcrx.*
//   limits_test=nofile.uring_zcrx
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
