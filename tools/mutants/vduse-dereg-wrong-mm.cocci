// SPDX-License-Identifier: GPL-2.0
// what: VDUSE: a bounce buffer is taken off VmPin of the process that lets
//   it go, not of the one that registered it.
// kind: S
// files: drivers/vdpa/vdpa_user/vduse_dev.c
// versions: 6.0-
// counter: balanced
// vm: VmPin of both processes
// tests: matrix_test=vduse_umem.*.release_by_child
// functions: vduse_dev_dereg_umem

@@
identifier dev;
@@
 vduse_dev_dereg_umem(...)
 {
 <...
-	atomic64_sub(dev->umem->npages, &dev->umem->mm->pinned_vm);
+	if (current->mm)
+		atomic64_sub(dev->umem->npages, &current->mm->pinned_vm);
 ...>
 }
