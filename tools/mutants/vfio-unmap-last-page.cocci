// SPDX-License-Identifier: GPL-2.0
// what: VFIO: unmapping forgets the last page of each run of contiguous pages.
// kind: S
// files: drivers/vfio/vfio_iommu_type1.c
// versions: 5.10-
// counter: +N/+less
// tests: matrix_test=vfio_type1*
// functions: vfio_unpin_pages_remote

@@
identifier i, npage;
expression step;
statement S;
@@
 vfio_unpin_pages_remote(...)
 {
 <...
-	for (i = 0; i < npage; i++, step) S
+	for (i = 0; i < npage - (npage > 1); i++, step) S
 ...>
 }

// Later a run is unpinned in one call.
@@
expression pfn, prot, unlocked;
identifier npage;
@@
 vfio_unpin_pages_remote(...)
 {
 <...
-	put_valid_unreserved_pfns(pfn, npage, prot);
-	unlocked = npage;
+	put_valid_unreserved_pfns(pfn, npage - (npage > 1), prot);
+	unlocked = npage - (npage > 1);
 ...>
 }
