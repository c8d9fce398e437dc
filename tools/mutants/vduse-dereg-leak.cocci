// SPDX-License-Identifier: GPL-2.0
// what: VDUSE: the last page of a registered bounce buffer is not unpinned.
// kind: S
// files: drivers/vdpa/vdpa_user/vduse_dev.c
// versions: 6.0-
// counter: +N/+(N-1)
// tests: matrix_test=vduse*
// functions: vduse_dev_dereg_umem

@@
expression pages, n;
@@
 vduse_dev_dereg_umem(...)
 {
 <...
-	unpin_user_pages_dirty_lock(pages, n, true);
+	unpin_user_pages_dirty_lock(pages, n - 1, true);
 ...>
 }
