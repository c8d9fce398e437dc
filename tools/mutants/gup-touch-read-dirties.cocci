// SPDX-License-Identifier: GPL-2.0
// what: The slow path marks a page dirty that it pins for reading only.
// kind: S
// files: mm/gup.c
// versions: 6.7-
// counter: balanced
// page: dirty, though nobody wrote to it
// log: of ext4, about dirty pages without buffers
// tests: case45_test dio_target_test=ext4.*
//   matrix_test=helper_*.file*,process_vm_writev.*,vhost_vdpa_read.*
// functions: follow_page_pte ext4_dirty_folio

@@
identifier flags;
@@
 follow_page_pte(...)
 {
 <...
 	if (flags & FOLL_TOUCH) {
 		if (
-		    (flags & FOLL_WRITE)
+		    (flags & (FOLL_WRITE | FOLL_PIN))
 		    && ...) { ... }
 	...
 	}
 ...>
 }
