// SPDX-License-Identifier: GPL-2.0
// what: VFIO: what a device without an IOMMU lets go of stays charged.
// kind: S
// files: drivers/vfio/vfio_iommu_type1.c
// versions: 6.1-
// counter: balanced
// vm: VmLck does not go back
// tests: vfio_test=mdev.* matrix_test=vfio_mdev.anon.*
// functions: vfio_unpin_page_external

@@
expression dma, n;
identifier do_accounting;
@@
 vfio_unpin_page_external(...)
 {
 <...
-	if (do_accounting)
-		vfio_lock_acct(dma, n, true);
 ...>
 }
