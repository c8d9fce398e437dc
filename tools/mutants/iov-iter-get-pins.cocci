// SPDX-License-Identifier: GPL-2.0
// what: iov_iter_get_pages2(), whose users put references, pins.
// kind: S
// files: lib/iov_iter.c
// versions: 6.5-
// counter: +N/+0
// page: 1023 references left on each page
// tests: control_test matrix_test=uring_send_zc.*,af_alg_splice.*
// functions: __iov_iter_get_pages_alloc

@@
expression E1, E2, E3, E4;
@@
 __iov_iter_get_pages_alloc(...)
 {
 <...
-	get_user_pages_fast(E1, E2, E3, E4)
+	pin_user_pages_fast(E1, E2, E3, E4)
 ...>
 }
