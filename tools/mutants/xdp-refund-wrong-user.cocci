// SPDX-License-Identifier: GPL-2.0
// what: AF_XDP: a umem is taken off the locked memory of whoever releases it,
//   which is mostly a kernel thread, not of the user that was charged.
// kind: S
// files: net/xdp/xdp_umem.c
// versions: 5.4-
// counter: balanced
// vm: the user's locked memory, of which only a later refusal tells
// tests: matrix_test=xdp_* geometry_test=xdp_* limits_test=memlock*.xdp_*
//   rlimit_test bad_input_test=xdp_*
// functions: xdp_umem_unaccount_pages

@@
identifier umem;
@@
 xdp_umem_unaccount_pages(...)
 {
 <...
-	atomic_long_sub(umem->npgs, &umem->user->locked_vm);
+	atomic_long_sub(umem->npgs, &current_user()->locked_vm);
 ...>
 }
