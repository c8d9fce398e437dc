// SPDX-License-Identifier: GPL-2.0
// what: The slow path marks a page dirty that it pins for reading only.
// kind: S
// files: mm/gup.c
// versions: 6.7-
// counter: balanced
// page: dirty, though nobody wrote to it
// log: of ext4, about dirty pages without buffers
// tests: page_view_test case45_test matrix_test geometry_test longterm_test
//   dio_target_test vfio_test rdma_test iommufd_test bad_input_test
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
