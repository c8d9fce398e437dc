// SPDX-License-Identifier: GPL-2.0
// what: File systems with the old direct I/O code: when a later part of the
//   buffer cannot be pinned, the last page before it stays pinned.
// kind: S
// files: fs/direct-io.c
// versions: 6.5-
// counter: one pin is left, -EFAULT or a short count
// tests: dio_target_test=vfat*.*,udf.*,exfat.*,ntfs3.* io_error_test=vfat.*
//   inflight_test
// functions: __blockdev_direct_IO

@@
identifier dio, sdio;
@@
 __blockdev_direct_IO(...)
 {
 <...
+	if (retval == 0)
 	dio_unpin_page(dio, sdio.cur_page);
 ...>
 }
