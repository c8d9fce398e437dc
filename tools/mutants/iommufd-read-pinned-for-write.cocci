// SPDX-License-Identifier: GPL-2.0
// what: iommufd: memory that a device may only read is pinned for writing:
//   it cannot be memory that is read-only, and is marked dirty though nobody
//   wrote to it.
// kind: S
// files: drivers/iommu/iommufd/io_pagetable.c
// versions: 6.2-
// needs: no-iommu
// counter: +0/+0 and -EFAULT where +N/+N is right
// page: dirty, though nobody wrote to it
// tests: iommufd_test matrix_test=iommufd_map_read.*
// functions: iopt_map_user_pages iopt_map_common iopt_alloc_pages

@@
expression uptr, length, prot;
@@
 iopt_map_user_pages(...)
 {
 <...
-	iopt_alloc_pages(uptr, length, prot & IOMMU_WRITE)
+	iopt_alloc_pages(uptr, length, true)
 ...>
 }
