// SPDX-License-Identifier: GPL-2.0
// what: iommufd's VFIO compatible ioctls: memory that the device may only read
//   is mapped for writing, too, and so pinned for writing.
// kind: S
// files: drivers/iommu/iommufd/vfio_compat.c
// versions: 6.2-
// needs: no-iommu
// counter: balanced; +0 and -EFAULT for read-only memory
// page: own pages in place of those of a privately mapped file or of zeroes
// data: marked dirty when it is unpinned
// tests: matrix_test=iommufd_vfio*.* geometry_test=iommufd_vfio*
// functions: iommufd_vfio_map_dma

@@
identifier prot;
@@
 iommufd_vfio_map_dma(...)
 {
 <...
-	prot |= IOMMU_READ;
+	prot |= IOMMU_READ | IOMMU_WRITE;
 ...>
 }
