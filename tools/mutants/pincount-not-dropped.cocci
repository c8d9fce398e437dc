// SPDX-License-Identifier: GPL-2.0
// what: Unpinning a large folio drops its references, but not its pin count.
// kind: S
// files: mm/gup.c
// versions: 5.18-
// counter: balanced
// page: pin counts grow for ever
// tests: matrix_test=*.thp.*,*.hugetlb.*,*.mthp.* page_view_test maybe_dma_pinned_test
// functions: gup_put_folio free_page_is_bad bad_page page_expected_state
//   free_tail_page_prepare

@@
expression folio, refs;
@@
 gup_put_folio(...)
 {
 <...
(
-	if (folio_test_large(folio))
-		atomic_sub(refs, &folio->_pincount);
-	else
+	if (!folio_test_large(folio))
 		refs *= GUP_PIN_COUNTING_BIAS;
|
-	if (folio_has_pincount(folio))
-		atomic_sub(refs, &folio->_pincount);
-	else
+	if (!folio_has_pincount(folio))
 		refs *= GUP_PIN_COUNTING_BIAS;
)
 ...>
 }
