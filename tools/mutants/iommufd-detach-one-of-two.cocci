// SPDX-License-Identifier: GPL-2.0
// what: iommufd: when one of two devices is detached, the pages are unpinned,
//   though the other one goes on to use them.
// kind: S
// files: drivers/iommu/iommufd/io_pagetable.c
// versions: 6.2-
// needs: no-iommu
// counter: released when the first device goes
// page: not pinned, though a device has it
// log: WARN in iopt_unfill_domain()
// tests: iommufd_test matrix_test=iommufd_* geometry_test=iommufd_*
//   limits_test=memlock*.iommufd_*
// functions: iopt_unfill_domain iopt_area_unfill_domains iopt_release_pages
//   iopt_area_unfill_domain batch_unpin

@@
identifier iopt;
@@
 iopt_unfill_domain(...)
 {
 <...
-	iopt->next_domain_id != 0
+	iopt->next_domain_id > 1
 ...>
 }
