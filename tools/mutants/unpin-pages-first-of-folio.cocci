// SPDX-License-Identifier: GPL-2.0
// what: unpin_user_pages() takes a run of pages of one large folio for one
//   page.
// kind: S
// files: mm/gup.c
// versions: 5.18-
// counter: +512/+1 for a huge page
// tests: matrix_test=*.thp.*,*.hugetlb.*,*.mthp.* uring_test=folios.*
// functions: unpin_user_pages

@@
expression folio, nr;
@@
 unpin_user_pages(...)
 {
 <...
-	gup_put_folio(folio, nr, FOLL_PIN);
+	gup_put_folio(folio, 1, FOLL_PIN);
 ...>
 }
