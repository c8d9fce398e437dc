// SPDX-License-Identifier: GPL-2.0
// what: iommufd: unpinning a run of contiguous pages misses its last one.
// kind: S
// files: drivers/iommu/iommufd/pages.c
// versions: 6.2-
// needs: no-iommu
// counter: +N/+less
// tests: matrix_test=iommufd*
// functions: batch_unpin

@@
expression page, n, dirty;
@@
 batch_unpin(...)
 {
 <...
-	unpin_user_page_range_dirty_lock(page, n, dirty);
+	unpin_user_page_range_dirty_lock(page, n > 1 ? n - 1 : n, dirty);
 ...>
 }
