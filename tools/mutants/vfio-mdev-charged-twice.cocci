// SPDX-License-Identifier: GPL-2.0
// what: VFIO: what is pinned for a device with an IOMMU is charged again when one
//   without asks for it.
// kind: S
// files: drivers/vfio/vfio_iommu_type1.c
// versions: 6.1-
// counter: balanced
// vm: VmLck too high
// tests: vfio_test=mdev.beside
// functions: vfio_iommu_type1_pin_pages

@@
identifier iommu, do_accounting;
@@
 vfio_iommu_type1_pin_pages(...)
 {
 <...
-	do_accounting = list_empty(&iommu->domain_list);
+	do_accounting = true;
 ...>
 }
