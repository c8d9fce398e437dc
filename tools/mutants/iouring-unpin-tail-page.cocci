// SPDX-License-Identifier: GPL-2.0
// what: Fixed buffers are unpinned by the head page of their folio, which the
//   sanity check takes for a page that was never pinned.
// kind: R
// fix: 5afb4bf9fc62
// fixed-in: 6.16
// catalogue: yes
// files: io_uring/rsrc.c
// versions: 6.12-
// counter: balanced
// log: VM_BUG in sanity_check_pinned_pages(), with CONFIG_DEBUG_VM
// tests: uring_test=folios.* matrix_test=uring_buffers.thp_pte.*,uring_buffers.thp_part.*
// functions: sanity_check_pinned_pages unpin_user_page io_buffer_unmap io_release_ubuf

@@
expression E;
identifier folio;
identifier unmap = {io_buffer_unmap, io_release_ubuf};
@@
 unmap(...)
 {
 <...
-	struct folio *folio = page_folio(E);
 	...
-	unpin_user_folio(folio, 1);
+	unpin_user_page(E);
 ...>
 }

// Later it is the bvec that is asked for its folio.
@@
expression E;
identifier folio;
@@
 io_release_ubuf(...)
 {
 <...
-	struct folio *folio = bvec_folio(&E);
 	...
-	unpin_user_folio(folio, 1);
+	unpin_user_page(E.bv_page);
 ...>
 }
