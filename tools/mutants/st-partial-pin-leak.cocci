// SPDX-License-Identifier: GPL-2.0
// what: SCSI tape: when only the front of a buffer could be pinned, that part
//   stays pinned.
// kind: S
// files: drivers/scsi/st.c
// versions: 5.10-
// counter: +n/+0
// tests: matrix_test=st_*
// functions: sgl_map_user_pages

@@
expression pages, res;
@@
 sgl_map_user_pages(...)
 {
 <...
-	unpin_user_pages(pages, res);
 ...>
 }
