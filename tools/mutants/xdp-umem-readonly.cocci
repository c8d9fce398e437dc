// SPDX-License-Identifier: GPL-2.0
// what: AF_XDP: packet memory, which the kernel writes to, is pinned for
//   reading only: of read-only mappings and of files, too.
// kind: S
// files: net/xdp/xdp_umem.c
// versions: 5.10-
// counter: balanced
// page: pins where -EFAULT was due
// tests: matrix_test=xdp_umem.*,xdp_bound.* longterm_test bad_input_test
//   geometry_test=xdp_umem.*
// functions: xdp_umem_pin_pages

@@
identifier gup_flags;
@@
 xdp_umem_pin_pages(...)
 {
 <...
-	unsigned int gup_flags = FOLL_WRITE;
+	unsigned int gup_flags = 0;
 ...>
 }
