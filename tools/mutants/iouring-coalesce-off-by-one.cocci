// SPDX-License-Identifier: GPL-2.0
// what: Fixed buffers of several large folios: one pin too few is dropped on
//   each but the first.
// kind: S
// files: io_uring/rsrc.c
// versions: 6.12-
// counter: one pin a folio stays
// tests: uring_test=folios.*,iovecs.*
//   matrix_test=uring_buffers.mthp*,uring_buffers.thp*,uring_buffers.hugetlb*
// functions: io_do_coalesce_buffer io_coalesce_buffer

@@
identifier nr;
identifier coalesce = {io_do_coalesce_buffer, io_coalesce_buffer};
expression array, E;
@@
 coalesce(...)
 {
 <...
-	if (nr)
-		unpin_user_pages(&array[E], nr);
+	if (nr > 1)
+		unpin_user_pages(&array[E], nr - 1);
 ...>
 }

// Later the first is one of the loop.
@@
identifier i, nr;
expression folio, heads, head;
@@
 io_coalesce_buffer(...)
 {
 <...
-	if (nr > 1)
-		unpin_user_folio(folio, nr - 1);
+	if (nr > 1 + !!i)
+		unpin_user_folio(folio, nr - 1 - !!i);
 	...
 	heads[i] = head;
 ...>
 }
