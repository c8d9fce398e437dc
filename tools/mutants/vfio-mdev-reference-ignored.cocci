// SPDX-License-Identifier: GPL-2.0
// what: VFIO: who pins a page a second time loses it when the first lets go.
// kind: S
// files: drivers/vfio/vfio_iommu_type1.c
// versions: 6.1-
// counter: +0/+n too early
// page: pin too few while the second holds it
// tests: vfio_test=mdev.twice matrix_test=vfio_mdev.anon.*
// functions: vfio_iova_put_vfio_pfn

@@
identifier vpfn;
@@
 vfio_iova_put_vfio_pfn(...)
 {
 <...
-	vpfn->ref_count--;
+	vpfn->ref_count = 0;
 ...>
 }
