// SPDX-License-Identifier: GPL-2.0
// what: vhost-vdpa: when a later part of a range that is not contiguous cannot be
//   pinned, the parts that are mapped already stay so.
// kind: S
// files: drivers/vhost/vdpa.c
// versions: 5.10-
// counter: +N/+less, -EFAULT or -ENOMEM
// vm: VmPin
// tests: matrix_test=vhost_vdpa* geometry_test=vhost_vdpa*
//   fail_nth_test=vhost_vdpa* limits_test=memlock*.vhost_vdpa*
// functions: vhost_vdpa_pa_map

@@
symbol iova, start;
typedef u64;
@@
 vhost_vdpa_pa_map(...)
 {
 <...
-	u64 start = iova;
 ...>
 }

@@
symbol iova, start;
expression v, iotlb, size;
@@
 vhost_vdpa_pa_map(...)
 {
 <...
-	vhost_vdpa_unmap(v, iotlb, start, size);
+	vhost_vdpa_unmap(v, iotlb, iova, size);
 ...>
 }
