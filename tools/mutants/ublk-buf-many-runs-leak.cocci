// SPDX-License-Identifier: GPL-2.0
// what: ublk: of a registered shared buffer of more than 64 runs of contiguous
//   pages only the first 64 are unpinned.
// kind: S
// files: drivers/block/ublk_drv.c
// versions: 7.3-
// counter: +N/+the first 64 runs
// tests: ublk_test
// functions: ublk_shmem_remove_ranges __ublk_shmem_remove_ranges
//   ublk_ctrl_unreg_buf ublk_buf_cleanup

@@
expression list args;
@@
 ublk_shmem_remove_ranges(...)
 {
 <...
-	while (!__ublk_shmem_remove_ranges(args))
-		cond_resched();
+	__ublk_shmem_remove_ranges(args);
 ...>
 }
