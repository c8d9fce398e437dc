// SPDX-License-Identifier: GPL-2.0
// what: VDUSE: a bounce buffer is not marked dirty when it is unpinned.
// kind: S
// files: drivers/vdpa/vdpa_user/vduse_dev.c
// versions: 6.0-
// counter: balanced
// page: clean, though the driver has written
// data: lost when the page is reclaimed
// tests: matrix_test=vduse_* geometry_test=vduse_*
//   limits_test=memlock*.vduse_*
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
