// SPDX-License-Identifier: GPL-2.0
// what: SCSI tape: direct reads do not mark the pages dirty that the drive has
//   written to.
// kind: S
// files: drivers/scsi/st.c
// versions: 5.8-
// counter: balanced
// page: clean, though the drive has written
// data: lost when the page is reclaimed
// tests: matrix_test case45_test inflight_test io_error_test geometry_test
//   teardown_test limits_test rlimit_test bad_input_test fail_nth_test
//   page_view_test pinned_stays_test
// functions: sgl_unmap_user_pages

@@
expression a, b, dirtied;
@@
 sgl_unmap_user_pages(...)
 {
 <...
-	unpin_user_pages_dirty_lock(a, b, dirtied);
+	unpin_user_pages(a, b);
 ...>
 }
