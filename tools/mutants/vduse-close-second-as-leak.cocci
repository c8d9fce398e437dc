// SPDX-License-Identifier: GPL-2.0
// what: VDUSE: of the bounce buffers of several address spaces that are
//   still registered when the device's file is closed only the first one's is
//   unpinned.
// kind: S
// files: drivers/vdpa/vdpa_user/vduse_dev.c
// versions: 7.3-
// counter: +N/+n, that of the first address space
// vm: VmPin
// tests: matrix_test=vduse_umem*.anon*.*
// functions: vduse_dev_release vduse_dev_dereg_umem

@@
expression dev;
identifier i;
statement S;
@@
 vduse_dev_release(...)
 {
 <...
 	if (
-	    dev->as[i].domain
+	    !i && dev->as[i].domain
 	   ) S
 ...>
 }
