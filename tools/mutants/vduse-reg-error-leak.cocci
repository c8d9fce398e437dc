// SPDX-License-Identifier: GPL-2.0
// what: VDUSE: a bounce buffer that is refused after it was pinned, or of
//   which only a part could be, stays pinned.
// kind: S
// files: drivers/vdpa/vdpa_user/vduse_dev.c
// versions: 6.0-
// counter: +n/+0
// tests: matrix_test=vduse*
// functions: vduse_dev_reg_umem

@@
expression ret, pinned, list;
@@
 vduse_dev_reg_umem(...)
 {
 <...
-	if (ret && pinned > 0)
-		unpin_user_pages(list, pinned);
 ...>
 }
