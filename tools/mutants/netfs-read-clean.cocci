// SPDX-License-Identifier: GPL-2.0
// what: netfs: unbuffered and direct reads do not mark the pages dirty that they
//   have written to.
// kind: S
// files: fs/netfs/read_collect.c
// versions: 6.12-
// counter: balanced
// page: clean, though the read has written
// data: lost when the page is reclaimed
// tests: dio_target_test case45_test inflight_test io_error_test matrix_test
//   geometry_test teardown_test limits_test rlimit_test bad_input_test
//   fail_nth_test page_view_test pinned_stays_test
// functions: netfs_rreq_assess_dio

@@
expression page;
@@
 netfs_rreq_assess_dio(...)
 {
 <...
-	set_page_dirty(page);
 ...>
 }
