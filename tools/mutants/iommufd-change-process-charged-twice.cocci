// SPDX-License-Identifier: GPL-2.0
// what: iommufd: who takes over the mappings of memfds from another process is
//   charged once for each IOAS that has a copy of one.
// kind: S
// files: drivers/iommu/iommufd/ioas.c
// versions: 7.3-
// needs: no-iommu
// counter: balanced
// vm: VmPin, or the user's locked memory; what is too much is never given back
// tests: iommufd_test matrix_test=iommufd_* limits_test=memlock*.iommufd_*
// functions: iommufd_ioas_change_process charge_current

@@
expression pages;
@@
 iommufd_ioas_change_process(...)
 {
 <...
-	pages->last_npinned = 0;
 ...>
 }
