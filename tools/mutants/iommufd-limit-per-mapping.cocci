// SPDX-License-Identifier: GPL-2.0
// what: iommufd: each mapping alone is held against RLIMIT_MEMLOCK, without what
//   the user has locked already.
// kind: S
// files: drivers/iommu/iommufd/pages.c
// versions: 6.2-
// needs: no-iommu
// counter: +N/+0 where +N/+N, -ENOMEM is right
// vm: VmPin above the limit
// tests: iommufd_test matrix_test=iommufd_* geometry_test=iommufd_*
//   limits_test=memlock*.iommufd_*
// functions: incr_user_locked_vm

@@
symbol new_pages, npages, lock_limit;
@@
 incr_user_locked_vm(...)
 {
 <...
-	if (new_pages > lock_limit)
+	if (npages > lock_limit)
 		return -ENOMEM;
 ...>
 }
