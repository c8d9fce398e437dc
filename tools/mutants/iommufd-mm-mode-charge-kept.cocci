// SPDX-License-Identifier: GPL-2.0
// what: iommufd: where it charges the process as VFIO does, what is unmapped
//   stays in VmLck.
// kind: S
// files: drivers/iommu/iommufd/pages.c
// versions: 6.2-
// needs: no-iommu
// counter: balanced
// vm: VmLck, with IOMMU_OPTION_RLIMIT_MODE
// tests: iommufd_test matrix_test=iommufd_* geometry_test=iommufd_*
//   limits_test=memlock*.iommufd_*
// functions: do_update_pinned

@@
symbol rc;
identifier inc;
expression pages, npages, user;
@@
 do_update_pinned(...)
 {
 <...
-	rc = update_mm_locked_vm(pages, npages, inc, user);
+	if (inc)
+		rc = update_mm_locked_vm(pages, npages, inc, user);
 ...>
 }
