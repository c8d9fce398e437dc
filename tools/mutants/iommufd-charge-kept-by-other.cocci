// SPDX-License-Identifier: GPL-2.0
// what: iommufd: what another process unmaps than the one that mapped it stays in
//   the user's locked memory.
// kind: S
// files: drivers/iommu/iommufd/pages.c
// versions: 6.2-
// needs: no-iommu
// counter: balanced
// vm: the user's locked memory, of which only a later refusal tells
// tests: iommufd_test matrix_test=iommufd_* geometry_test=iommufd_*
//   limits_test=memlock*.iommufd_*
// functions: do_update_pinned

@@
expression pages, npages;
@@
 do_update_pinned(...)
 {
 <...
-	decr_user_locked_vm(pages, npages);
+	if (pages->source_task == current->group_leader)
+		decr_user_locked_vm(pages, npages);
 ...>
 }
