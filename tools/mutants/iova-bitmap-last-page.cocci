// SPDX-License-Identifier: GPL-2.0
// what: iommufd: of the bitmap in which a domain notes what its device wrote
//       to, the last page stays pinned.
// kind: S
// files: drivers/iommu/iommufd/iova_bitmap.c
// versions: 6.7-
// needs: no-iommu
// counter: +N/+less
// tests: matrix_test=iommufd_bitmap*
// functions: iova_bitmap_put

@@
expression pages, n;
@@
 iova_bitmap_put(...)
 {
 <...
-	unpin_user_pages(pages, n);
+	unpin_user_pages(pages, n - 1);
 ...>
 }
