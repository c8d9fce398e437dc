// SPDX-License-Identifier: GPL-2.0
// what: iommufd: a bitmap that is too large to be pinned at once: the part before
//   the last one stays pinned.
// kind: S
// files: drivers/iommu/iommufd/iova_bitmap.c
// versions: 6.12-
// needs: no-iommu
// counter: +N/+less
// tests: iommufd_test matrix_test=iommufd_* geometry_test=iommufd_*
//   limits_test=memlock*.iommufd_*
// functions: iova_bitmap_advance_to

@@
expression bitmap;
@@
 iova_bitmap_advance_to(...)
 {
 <...
-	iova_bitmap_put(bitmap);
 ...>
 }
