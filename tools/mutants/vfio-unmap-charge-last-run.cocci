// SPDX-License-Identifier: GPL-2.0
// what: VFIO: unmapping memory that is not contiguous takes only the last run of
//   pages off VmLck.
// kind: S
// files: drivers/vfio/vfio_iommu_type1.c
// versions: 5.10-
// counter: balanced
// vm: VmLck
// tests: vfio_test matrix_test geometry_test rlimit_test teardown_test
//   limits_test bad_input_test fail_nth_test
// functions: vfio_sync_unpin

@@
identifier unlocked;
expression list args;
@@
 vfio_sync_unpin(...)
 {
 <...
-	unlocked += vfio_unpin_pages_remote(args);
+	unlocked = vfio_unpin_pages_remote(args);
 ...>
 }
