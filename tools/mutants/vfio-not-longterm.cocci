// SPDX-License-Identifier: GPL-2.0
// what: VFIO pins as if for a moment: pages of files that track dirty pages,
//   too, and where they are, in movable memory.
// kind: S
// files: drivers/vfio/vfio_iommu_type1.c
// versions: 5.10-
// counter: balanced
// page: zone; a mapped file's pages are pinned instead of refused
// tests: longterm_test vfio_test matrix_test=vfio_type1.*
// functions: vaddr_get_pfns

@@
identifier flags;
@@
 vaddr_get_pfns(...)
 {
 <...
-	flags | FOLL_LONGTERM
+	flags
 ...>
 }
