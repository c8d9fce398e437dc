// SPDX-License-Identifier: GPL-2.0
// what: iommufd: mapping a memfd, the large folio that does not fit into a
//   batch of pages any more is pinned for that batch and again for the next
//   one.
// kind: S
// files: drivers/iommu/iommufd/pages.c
// versions: 7.3-
// needs: no-iommu
// counter: +more/+N; what is too much is one folio for each batch
// tests: matrix_test=iommufd_file* geometry_test=iommufd_file*
// functions: batch_from_folios pfn_reader_fill_span

@@
expression list args;
expression folio, nr;
identifier rc;
@@
 batch_from_folios(...)
 {
 <...
+	if (nr > 1)
+		rc = folio_add_pins(folio, nr - 1);
 	if (!batch_add_pfn_num(args))
 		break;
-	if (nr > 1) {
-		rc = folio_add_pins(folio, nr - 1);
 		if (rc) {
 			...
 		}
-	}
 ...>
 }
