// SPDX-License-Identifier: GPL-2.0
// what: VFIO: a mapping that another process takes over goes on to count in
//   VmLck of the first one, too.
// kind: S
// files: drivers/vfio/vfio_iommu_type1.c
// versions: 6.3-
// counter: balanced
// vm: VmLck of the first process
// tests: vfio_test=map.*
// functions: vfio_change_dma_owner

@@
expression e1, e2, e3, npage;
@@
 vfio_change_dma_owner(...)
 {
 <...
-	mm_lock_acct(e1, e2, e3, -npage);
 ...>
 }
