// SPDX-License-Identifier: GPL-2.0
// what: VDUSE: a bounce buffer is not marked dirty when it is unpinned.
// kind: S
// files: drivers/vdpa/vdpa_user/vduse_dev.c
// versions: 6.0-
// counter: balanced
// page: clean, though the driver has written
// data: lost when the page is reclaimed
// tests: matrix_test case45_test page_view_test geometry_test teardown_test
//   limits_test rlimit_test bad_input_test fail_nth_test inflight_test
//   pinned_stays_test
// functions: vduse_dev_dereg_umem

@@
expression pages, n;
@@
 vduse_dev_dereg_umem(...)
 {
 <...
-	unpin_user_pages_dirty_lock(pages, n, true);
+	unpin_user_pages(pages, n);
 ...>
 }
