// SPDX-License-Identifier: GPL-2.0
// what: Fixed buffers: a huge page that is refused for RLIMIT_MEMLOCK counts as
//   charged, so that it costs nothing when it is registered later on.
// kind: S
// files: io_uring/rsrc.c
// versions: 7.3-
// counter: balanced
// vm: VmPin and the user's locked memory: 0 after a refusal
// tests: uring_test=charge.*,iovecs.*
// functions: io_buffer_account_pin io_buffer_unaccount_hpages

@@
identifier ret;
@@
 io_buffer_account_pin(...)
 {
 <...
 	ret = io_account_mem(...);
 	if (ret) {
-		io_buffer_unaccount_hpages(...);
 		return ret;
 	}
 ...>
 }
