// SPDX-License-Identifier: GPL-2.0
// what: RDS: getsockopt(RDS_INFO_*) into a buffer that is too small or partly
//   unmapped leaves it pinned.
// kind: S
// files: net/rds/info.c
// versions: 5.10-
// counter: +n/+0, -ENOSPC or -EAGAIN
// tests: matrix_test=rds_info.*
// functions: rds_info_getsockopt

@@
expression pages, nr, will_pin;
@@
 rds_info_getsockopt(...)
 {
 <...
(
-	if (pages)
+	if (pages && ret >= 0)
 		unpin_user_pages_dirty_lock(pages, nr, true);
|
-	if (pages && will_pin)
+	if (pages && will_pin && ret >= 0)
 		unpin_user_pages_dirty_lock(pages, nr, true);
)
 ...>
 }
