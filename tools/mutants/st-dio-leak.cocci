// SPDX-License-Identifier: GPL-2.0
// what: SCSI tape: direct reads leave their pages pinned.
// kind: S
// files: drivers/scsi/st.c
// versions: 5.10-
// counter: +N/+0
// tests: matrix_test=st_*
// functions: sgl_unmap_user_pages

@@
expression pages, n, dirtied;
@@
 sgl_unmap_user_pages(...)
 {
 <...
+	if (!dirtied)
 	unpin_user_pages_dirty_lock(pages, n, dirtied);
 ...>
 }
