// SPDX-License-Identifier: GPL-2.0
// what: Block devices: a direct read into one buffer, not a list of them,
//   does not mark the pages dirty that the device has written to.
// kind: S
// files: block/fops.c
// versions: 6.5-
// counter: balanced
// page: clean, though the device has written
// data: lost when the page is reclaimed
// tests: dio_target_test inflight_test matrix_test case45_test io_error_test
//   page_view_test
// functions: __blkdev_direct_IO_simple

@@
identifier iter, should_dirty;
@@
 __blkdev_direct_IO_simple(...)
 {
 <...
-	if (user_backed_iter(iter))
+	if (iter_is_iovec(iter))
 		should_dirty = true;
 ...>
 }
