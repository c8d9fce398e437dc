// SPDX-License-Identifier: GPL-2.0
// what: VFIO: when a later part of a mapping cannot be pinned, what was pinned
//   before stays so.
// kind: S
// files: drivers/vfio/vfio_iommu_type1.c
// versions: 5.10-
// counter: +n/+0, -EFAULT
// tests: matrix_test=vfio_type1*.hole.*,vfio_type1*
// functions: vfio_pin_pages_remote

@@
identifier pfn, pinned;
expression base, dma;
@@
 vfio_pin_pages_remote(...)
 {
 <...
-	for (pfn = base; pinned; pfn++, pinned--)
-		put_pfn(pfn, dma->prot);
+	pinned = 0;
 ...>
 }
