// SPDX-License-Identifier: GPL-2.0
// what: SCSI tape: direct reads do not mark the pages dirty that the drive has
//   written to.
// kind: S
// files: drivers/scsi/st.c
// versions: 5.8-
// counter: balanced
// page: clean, though the drive has written
// data: lost when the page is reclaimed
// tests: matrix_test=st_* geometry_test=st_* io_error_test=st.*
// functions: sgl_unmap_user_pages

@@
expression a, b, dirtied;
@@
 sgl_unmap_user_pages(...)
 {
 <...
-	unpin_user_pages_dirty_lock(a, b, dirtied);
+	unpin_user_pages(a, b);
 ...>
 }
