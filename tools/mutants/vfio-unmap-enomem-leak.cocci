// SPDX-License-Identifier: GPL-2.0
// what: VFIO: when there is no memory to note what was unmapped, it is unmapped
//   at once, but not unpinned.
// kind: S
// files: drivers/vfio/vfio_iommu_type1.c
// versions: 5.10-
// counter: +N/+less
// vm: VmLck
// tests: vfio_test matrix_test=vfio_* geometry_test=vfio_*
//   fail_nth_test=vfio_* limits_test=memlock*.vfio_*
// functions: unmap_unpin_slow

@@
expression E;
@@
 unmap_unpin_slow(...)
 {
 <...
-	E += vfio_unpin_pages_remote(...);
 ...>
 }
