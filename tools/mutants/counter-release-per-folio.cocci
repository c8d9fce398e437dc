// SPDX-License-Identifier: GPL-2.0
// what: Releasing many pages of a large folio is counted as one.
// kind: S
// files: mm/gup.c
// versions: 5.10-
// counter: +512/+1 for a huge page, with all of it unpinned
// page: right
// tests: matrix_test=*.thp*,*.hugetlb*,*.mthp* counters_test uring_test=folios.*
// functions: gup_put_folio

@@
expression folio;
@@
 gup_put_folio(...)
 {
 <...
-	node_stat_mod_folio(folio, NR_FOLL_PIN_RELEASED, refs);
+	node_stat_mod_folio(folio, NR_FOLL_PIN_RELEASED, 1);
 ...>
 }
