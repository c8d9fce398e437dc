// SPDX-License-Identifier: GPL-2.0
// what: vhost-vdpa: memory that the device only reads is marked dirty when
//   it is unpinned.
// kind: S
// files: drivers/vhost/vdpa.c
// versions: 5.8-
// counter: balanced
// page: dirty, though nobody wrote to it
// log: of ext4, about dirty pages without buffers
// tests: matrix_test=vhost_vdpa_read.*
// functions: vhost_vdpa_pa_unmap ext4_dirty_folio

@@
identifier map;
expression page;
@@
 vhost_vdpa_pa_unmap(...)
 {
 <...
-	if (map->perm & VHOST_ACCESS_WO)
-		set_page_dirty_lock(page);
+	set_page_dirty_lock(page);
 ...>
 }
