// SPDX-License-Identifier: GPL-2.0
// what: Block devices: a direct read into one buffer, not a list of them,
//   does not mark the pages dirty that the device has written to.
// kind: S
// files: block/fops.c
// versions: 6.5-
// counter: balanced
// page: clean, though the device has written
// data: lost when the page is reclaimed
// tests: dio_target_test=loop*.*,zram.*,dm_*.* inflight_test=dm.*,sd.*
//   io_error_test=device.* matrix_test=dio_* geometry_test=dio_*
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
