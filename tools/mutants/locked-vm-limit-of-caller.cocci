// SPDX-License-Identifier: GPL-2.0
// what: VFIO, and iommufd where it charges as VFIO does: what is pinned for
//   a process is held against RLIMIT_MEMLOCK of whoever asks for it, not of
//   the process that is charged.
// kind: S
// files: mm/util.c
// versions: 5.3-
// counter: +N/+N and success where -ENOMEM is due, or the other way round
// vm: VmLck above the process' limit
// tests: vfio_test=mdev.* iommufd_test=process.*
// functions: __account_locked_vm

@@
expression task, limit;
@@
 __account_locked_vm(...)
 {
 <...
-	limit = task_rlimit(task, RLIMIT_MEMLOCK) >> PAGE_SHIFT;
+	limit = rlimit(RLIMIT_MEMLOCK) >> PAGE_SHIFT;
 ...>
 }
