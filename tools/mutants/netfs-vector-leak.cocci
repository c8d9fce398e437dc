// SPDX-License-Identifier: GPL-2.0
// what: netfs: of several pieces of memory only as many pages are unpinned as the
//   last one has.
// kind: S
// files: fs/netfs/iterator.c
// versions: 6.3-
// counter: +N/+less
// tests: dio_target_test geometry_test io_error_test inflight_test matrix_test
//   teardown_test limits_test rlimit_test bad_input_test fail_nth_test
// functions: netfs_extract_user_iter

@@
symbol npages, cur_npages;
@@
 netfs_extract_user_iter(...)
 {
 <...
-	return npages;
+	return cur_npages;
 ...>
 }
