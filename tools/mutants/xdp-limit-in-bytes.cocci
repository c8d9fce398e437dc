// SPDX-License-Identifier: GPL-2.0
// what: AF_XDP: RLIMIT_MEMLOCK is taken as pages, though it is bytes.
// kind: S
// files: net/xdp/xdp_umem.c
// versions: 5.4-
// counter: +N/+0 and success instead of -ENOBUFS
// vm: the user's locked memory beyond RLIMIT_MEMLOCK
// tests: matrix_test=xdp_* geometry_test=xdp_* limits_test=memlock*.xdp_*
//   rlimit_test bad_input_test=xdp_*
// functions: xdp_umem_account_pages

@@
identifier lock_limit;
@@
 xdp_umem_account_pages(...)
 {
 <...
-	lock_limit = rlimit(RLIMIT_MEMLOCK) >> PAGE_SHIFT;
+	lock_limit = rlimit(RLIMIT_MEMLOCK);
 ...>
 }
