// SPDX-License-Identifier: GPL-2.0
// what: unpin_user_pages() takes the entries for pages that a failed migration
//   already let go, which are NULL, for pages.
// kind: R
// fix: a1268be280d8
// fixed-in: 6.13
// catalogue: yes
// files: mm/gup.c
// versions: 6.11-
// needs: movable
// counter: none, the kernel dies
// log: NULL pointer dereference in unpin_user_pages() or its sanity check
// tests: longterm_test=cannot_move.*
// functions: unpin_user_pages sanity_check_pinned_pages pofs_unpin
//   migrate_longterm_unpinnable_folios __gup_longterm_locked unpin_folios

@@
identifier pages, i;
@@
 unpin_user_pages(struct page **pages, ...)
 {
 <...
 if (
-	!pages[i]
+	false
 ) { ... }
 ...>
 }

@@
identifier page;
@@
 sanity_check_pinned_pages(...)
 {
 <...
-	if (!page)
-		continue;
 ...>
 }

@@
expression folios, i, j;
@@
 unpin_folios(...)
 {
 <...
-	if (folios[i])
 		gup_put_folio(folios[i], j - i, FOLL_PIN);
 ...>
 }
