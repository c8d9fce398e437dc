// SPDX-License-Identifier: GPL-2.0
// what: VDUSE: the pages of a bounce buffer are held against RLIMIT_MEMLOCK in
//   bytes.
// kind: S
// files: drivers/vdpa/vdpa_user/vduse_dev.c
// versions: 6.0-
// counter: +N/+0 where +0/+0, -ENOMEM is right
// vm: VmPin above the limit
// tests: matrix_test=vduse_* geometry_test=vduse_*
//   limits_test=memlock*.vduse_*
// functions: vduse_dev_reg_umem

@@
expression lock_limit;
@@
 vduse_dev_reg_umem(...)
 {
 <...
-	lock_limit = PFN_DOWN(rlimit(RLIMIT_MEMLOCK));
+	lock_limit = rlimit(RLIMIT_MEMLOCK);
 ...>
 }
