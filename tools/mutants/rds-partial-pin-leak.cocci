// SPDX-License-Identifier: GPL-2.0
// what: RDS: when only the front of a memory region could be pinned, that part
//   stays pinned.
// kind: S
// files: net/rds/rdma.c
// versions: 5.10-
// counter: +n/+0, -EFAULT
// tests: matrix_test=rds_mr*,rds_rdma* geometry_test=rds*
// functions: rds_pin_pages

@@
expression pages, ret;
@@
 rds_pin_pages(...)
 {
 <...
-	unpin_user_pages(pages, ret);
 ...>
 }
