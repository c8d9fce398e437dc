// SPDX-License-Identifier: GPL-2.0
// what: vhost-vdpa: memory that the device only reads is not unpinned.
// kind: S
// files: drivers/vhost/vdpa.c
// versions: 5.8-
// counter: +N/+0
// tests: matrix_test=vhost_vdpa_read.*
// functions: vhost_vdpa_pa_unmap

@@
expression page;
@@
 vhost_vdpa_pa_unmap(...)
 {
 <...
 if (map->perm & VHOST_ACCESS_WO)
-	set_page_dirty_lock(page);
-unpin_user_page(page);
+	unpin_user_pages_dirty_lock(&page, 1, true);
 ...>
 }
