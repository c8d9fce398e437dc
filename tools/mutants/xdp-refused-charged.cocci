// SPDX-License-Identifier: GPL-2.0
// what: AF_XDP: a umem that cannot be pinned stays charged to the user's
//   RLIMIT_MEMLOCK.
// kind: S
// files: net/xdp/xdp_umem.c
// versions: 5.10-
// counter: balanced
// vm: the user's locked memory, of which only a later refusal tells
// tests: limits_test=*.xdp_umem bad_input_test=xdp_umem.*
// functions: xdp_umem_reg

@@
expression err, umem;
identifier addr;
@@
 xdp_umem_reg(...)
 {
 <...
 	err = xdp_umem_pin_pages(umem, (unsigned long)addr);
 	if (err)
-		goto out_account;
+		return err;
 ...>
 }
