// SPDX-License-Identifier: GPL-2.0
// what: FUSE direct reads for which nobody waits do not mark the pages dirty that
//   they have written to.
// kind: S
// files: fs/fuse/file.c
// versions: 6.9-
// counter: balanced
// page: clean, though the server has written
// data: lost when the page is reclaimed
// tests: matrix_test inflight_test case45_test dio_target_test io_error_test
//   geometry_test teardown_test limits_test rlimit_test bad_input_test
//   fail_nth_test page_view_test pinned_stays_test
// functions: fuse_aio_complete_req

@@
identifier io;
expression a, b;
@@
 fuse_aio_complete_req(...)
 {
 <...
-	fuse_release_user_pages(a, b, io->should_dirty);
+	fuse_release_user_pages(a, b, io->should_dirty && io->blocking);
 ...>
 }
