// SPDX-License-Identifier: GPL-2.0
// what: VFIO: when a mapping is refused for RLIMIT_MEMLOCK, those pages stay
//   pinned that were pinned in the same go, but not looked at yet.
// kind: S
// files: drivers/vfio/vfio_iommu_type1.c
// versions: 5.12-
// counter: +N/+n, -ENOMEM
// tests: rlimit_test limits_test=*vfio_type1*
// functions: vfio_pin_pages_remote

@@
identifier batch, dma, ret, E;
@@
 vfio_pin_pages_remote(...)
 {
 <...
 	if (ret < 0) {
 		...
-		vfio_batch_unpin(batch, dma);
 		return ret;
 	}
 ...>
 }
