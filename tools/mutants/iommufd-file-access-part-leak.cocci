// SPDX-License-Identifier: GPL-2.0
// what: iommufd: a driver's access to a part of a huge page of a memfd pins the
//   whole of it, but unpins only the part.
// kind: S
// files: drivers/iommu/iommufd/pages.c
// versions: 7.3-
// needs: no-iommu
// counter: +pages of the folio/+those of the part
// tests: matrix_test=iommufd_file_access.*,iommufd_mdev_file.*
//   geometry_test=iommufd_file*,iommufd_mdev_file*
// functions: pin_memfd_pages iopt_pages_fill

@@
identifier folio;
symbol npin, nr;
@@
 pin_memfd_pages(...)
 {
 <...
-	folio_add_pins(folio, npin - 1)
+	folio_add_pins(folio, nr - 1)
 ...>
 }
