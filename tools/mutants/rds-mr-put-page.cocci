// SPDX-License-Identifier: GPL-2.0
// what: RDS over RDMA: the pages of a memory region are put, not unpinned,
//   when it is torn down.
// kind: R
// fix: a507023e6ff1
// catalogue: yes
// files: net/rds/ib_rdma.c
// versions: 6.1-
// counter: +N/+0
// page: 1023 references left on each page
// tests: matrix_test=rds_mr*
// functions: __rds_ib_teardown_mr

@@
expression page;
@@
 __rds_ib_teardown_mr(...)
 {
 <...
-	unpin_user_pages_dirty_lock(&page, 1, true);
+	set_page_dirty_lock(page);
+	put_page(page);
 ...>
 }
