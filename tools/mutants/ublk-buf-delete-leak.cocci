// SPDX-License-Identifier: GPL-2.0
// what: ublk: shared buffers that are still registered when the device is
//   deleted stay pinned.
// kind: S
// files: drivers/block/ublk_drv.c
// versions: 7.3-
// counter: +N/+0
// tests: ublk_test
// functions: __ublk_shmem_remove_ranges ublk_buf_cleanup

@@
symbol buf_index, range;
@@
 __ublk_shmem_remove_ranges(...)
 {
 <...
-	buf_index >= 0 && range->buf_index != buf_index
+	range->buf_index != buf_index
 ...>
 }
