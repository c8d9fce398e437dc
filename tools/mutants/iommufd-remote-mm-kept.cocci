// SPDX-License-Identifier: GPL-2.0
// what: iommufd: who has the memory of another process pinned, as for a device
//   that is attached later on, keeps that process' whole address space: its
//   memory is not freed when it ends.
// kind: S
// files: drivers/iommu/iommufd/pages.c
// versions: 6.2-
// counter: balanced
// page: all pages of the process stay mapped after its end
// needs: no-iommu
// tests: iommufd_test=process.*
// functions: pfn_reader_user_destroy

@@
expression pages;
@@
 pfn_reader_user_destroy(...)
 {
 <...
-	if (pages->source_mm != current->mm)
-		mmput(pages->source_mm);
 ...>
 }
