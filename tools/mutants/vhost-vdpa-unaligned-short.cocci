// SPDX-License-Identifier: GPL-2.0
// what: vhost-vdpa: a range that starts within a page loses its last page, which
//   the device then has not.
// kind: S
// files: drivers/vhost/vdpa.c
// versions: 5.8-
// counter: +(N-1)/+0
// vm: VmPin: a page less
// tests: matrix_test=vhost_vdpa* geometry_test=vhost_vdpa*
//   limits_test=memlock*.vhost_vdpa*
// functions: vhost_vdpa_pa_map

@@
expression size, page_offset;
@@
 vhost_vdpa_pa_map(...)
 {
 <...
-	PFN_UP(size + page_offset)
+	PFN_UP(size)
 ...>
 }
