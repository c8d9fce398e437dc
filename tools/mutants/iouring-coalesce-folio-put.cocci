// SPDX-License-Identifier: GPL-2.0
// what: Fixed buffers in large folios: all but one pin are to be dropped, but
//   plain references are.
// kind: R
// fix: d2acf789088b
// fixed-in: 6.3
// catalogue: yes
// files: io_uring/rsrc.c
// versions: 6.12-
// counter: +512/+0, then +0/+1
// page: 511 pins too many
// log: bad page state when the page is freed
// tests: matrix_test=uring_buffers.thp*,uring_buffers.hugetlb*,uring_buffers.mthp*,uring_update.*,uring_clone.*
//   uring_test geometry_test=uring_buffers*
// functions: io_buffer_unmap io_release_ubuf io_do_coalesce_buffer io_coalesce_buffer
//   unpin_user_folio

@@
expression array, i, n, folio;
identifier coalesce = {io_do_coalesce_buffer, io_coalesce_buffer};
@@
 coalesce(...)
 {
 <...
(
-	unpin_user_pages(&array[i], n);
+	folio_put_refs(page_folio(array[i]), n);
|
-	unpin_user_folio(folio, n);
+	folio_put_refs(folio, n);
)
 ...>
 }
