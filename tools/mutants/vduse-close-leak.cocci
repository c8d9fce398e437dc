// SPDX-License-Identifier: GPL-2.0
// what: VDUSE: a bounce buffer that is still registered when the device's file
//   is closed stays pinned.
// kind: S
// files: drivers/vdpa/vdpa_user/vduse_dev.c
// versions: 6.0-
// counter: +N/+0
// vm: VmPin
// tests: matrix_test=vduse*
// functions: vduse_dev_release

@@
expression dev;
@@
 vduse_dev_release(...)
 {
 <...
-	if (dev->domain)
-		vduse_dev_dereg_umem(dev, 0, dev->domain->bounce_size);
 ...>
 }
