// SPDX-License-Identifier: GPL-2.0
// what: AF_XDP: when the pinned pages cannot be mapped for the kernel, they
//   stay pinned.
// kind: R
// fix: fb89c39455e4
// fixed-in: 5.3
// catalogue: yes
// files: net/xdp/xdp_umem.c
// versions: 5.10-
// counter: +N/+0, -ENOMEM
// tests: fail_nth_test=*xdp*,xdp* matrix_test=xdp_umem*alias* limits_test=*.xdp_umem
// functions: xdp_umem_reg

@@
identifier err, l;
@@
 xdp_umem_reg(...)
 {
 <...
 	err = xdp_umem_addr_map(...);
 	if (err)
-		goto l;
+		goto out_account;
 ...>
 }
