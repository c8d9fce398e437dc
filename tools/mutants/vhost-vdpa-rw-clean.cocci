// SPDX-License-Identifier: GPL-2.0
// what: vhost-vdpa: memory that the device may both read and write is not marked
//   dirty when it is unpinned.
// kind: S
// files: drivers/vhost/vdpa.c
// versions: 5.8-
// counter: balanced
// page: clean, though the device could write
// data: lost when the page is reclaimed
// tests: matrix_test=vhost_vdpa* geometry_test=vhost_vdpa*
//   limits_test=memlock*.vhost_vdpa*
// functions: vhost_vdpa_pa_unmap

@@
identifier map;
@@
 vhost_vdpa_pa_unmap(...)
 {
 <...
-	map->perm & VHOST_ACCESS_WO
+	map->perm == VHOST_ACCESS_WO
 ...>
 }
