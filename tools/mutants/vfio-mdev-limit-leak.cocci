// SPDX-License-Identifier: GPL-2.0
// what: VFIO: the page with which a device without an IOMMU exceeds RLIMIT_MEMLOCK
//   stays pinned.
// kind: S
// files: drivers/vfio/vfio_iommu_type1.c
// versions: 6.1-
// counter: +n/+(n-1), -ENOMEM
// tests: vfio_test=mdev.limit
// functions: vfio_pin_page_external

@@
expression pfn, prot;
@@
 vfio_pin_page_external(...)
 {
 <...
-	put_pfn(pfn, prot);
 ...>
 }
