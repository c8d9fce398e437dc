// SPDX-License-Identifier: GPL-2.0
// what: RDS: getsockopt(RDS_INFO_*) into a buffer that is not aligned, and
//   so lies in a page more than its length tells, leaves the last page pinned.
// kind: S
// files: net/rds/info.c
// versions: 7.3-
// counter: +n/+(n-1)
// page: the last page stays pinned, and is clean
// tests: matrix_test=rds_info.* geometry_test=rds_info.*
// functions: rds_info_getsockopt

@@
symbol offset0, ret;
@@
 rds_info_getsockopt(...)
 {
 <...
-	DIV_ROUND_UP(offset0 + ret, PAGE_SIZE)
+	DIV_ROUND_UP(ret, PAGE_SIZE)
 ...>
 }
