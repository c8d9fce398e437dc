// SPDX-License-Identifier: GPL-2.0
// what: VFIO: who takes over a mapping from a process whose memory is gone is
//   not charged for it.
// kind: S
// files: drivers/vfio/vfio_iommu_type1.c
// versions: 6.3-
// counter: balanced
// vm: VmLck of the new owner: 0, and less than 0 once it is unmapped
// log: WARN in __account_locked_vm()
// tests: vfio_test matrix_test=vfio_* geometry_test=vfio_*
//   limits_test=memlock*.vfio_*
// functions: vfio_change_dma_owner __account_locked_vm mm_lock_acct

@@
expression list args;
expression E;
identifier ret;
@@
 vfio_change_dma_owner(...)
 {
 ...
-	ret = mm_lock_acct(args);
-	if (ret)
-		return ret;
 	if (mmget_not_zero(E)) {
+		ret = mm_lock_acct(args);
+		if (ret) {
+			mmput(E);
+			return ret;
+		}
 		...
 	}
 ...
 }
