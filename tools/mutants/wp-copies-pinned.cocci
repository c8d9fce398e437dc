// SPDX-License-Identifier: GPL-2.0
// what: The first write to a write-protected page that belongs to the process
//   alone copies it if anybody has a reference, and so a pinned one, too.
// kind: S
// files: mm/memory.c
// versions: 6.7-
// counter: balanced
// page: the mapped page is no longer the pinned one
// data: what the device writes does not reach the process
// tests: pinned_stays_test fork_test matrix_test=helper_*.fork,uring_buffers.*
// functions: sanity_check_pinned_pages unpin_user_page unpin_user_pages
//   do_wp_page

@@
expression E, folio, vma;
@@
 do_wp_page(...)
 {
 <...
-	(PageAnonExclusive(E) || wp_can_reuse_anon_folio(folio, vma))
+	wp_can_reuse_anon_folio(folio, vma)
 ...>
 }
