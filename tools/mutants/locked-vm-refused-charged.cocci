// SPDX-License-Identifier: GPL-2.0
// what: VFIO, and iommufd where it charges as VFIO does: what is refused for
//   RLIMIT_MEMLOCK is charged to VmLck all the same, and never given back.
// kind: S
// files: mm/util.c
// versions: 5.10-
// counter: balanced
// vm: VmLck: what was refused stays in it
// tests: vfio_test=mdev.* iommufd_test=process.*
// functions: __account_locked_vm

@@
expression ret, mm, n;
@@
 __account_locked_vm(...)
 {
 <...
-	if (!ret)
-		mm->locked_vm = n;
+	mm->locked_vm = n;
 ...>
 }
