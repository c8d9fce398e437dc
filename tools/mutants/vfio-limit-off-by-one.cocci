// SPDX-License-Identifier: GPL-2.0
// what: VFIO: a mapping that reaches RLIMIT_MEMLOCK exactly is refused, as if it
//   were above it.
// kind: S
// files: drivers/vfio/vfio_iommu_type1.c
// versions: 5.12-
// counter: +N/+N, -ENOMEM, where +N/+0 is right
// vm: VmLck
// tests: vfio_test matrix_test=vfio_* geometry_test=vfio_*
//   limits_test=memlock*.vfio_*
// functions: vfio_pin_pages_remote

@@
expression a, b, limit;
@@
 vfio_pin_pages_remote(...)
 {
 <...
-	a + b + 1 > limit
+	a + b + 1 >= limit
 ...>
 }
