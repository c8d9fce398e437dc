// SPDX-License-Identifier: GPL-2.0
// what: Zero-copy receive: an area that is refused after it was pinned, as it
//   exceeds RLIMIT_MEMLOCK or cannot be mapped for the device, stays pinned.
// kind: S
// files: io_uring/zcrx.c
// versions: 7.0-
// counter: +N/+0, -ENOMEM
// tests: limits_test=*zcrx* uring_test=zcrx* bad_input_test=*zcrx*
// functions: io_import_umem

@@
@@
 io_import_umem(...)
 {
 <...
-	unpin_user_pages(...);
 ...>
 }
