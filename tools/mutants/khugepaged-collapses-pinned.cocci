// SPDX-License-Identifier: GPL-2.0
// what: Pages are collapsed to a huge page while they are pinned.
// kind: E
// files: mm/khugepaged.c
// versions: 6.1-
// counter: balanced
// page: the mapped page is no longer the pinned one
// data: a device writes to the old page
// tests: pinned_stays_test=collapse.*
// functions: is_refcount_suitable collapse_huge_page __collapse_huge_page_isolate

@@
expression good;
@@
 is_refcount_suitable(...)
 {
 ...
-	return good;
+	return true;
 }

// Later it is compared at each place.
@@
expression folio;
statement S;
@@
(
-	if (folio_expected_ref_count(folio) != folio_ref_count(folio)) S
|
-	if (folio_expected_ref_count(folio) + 1 != folio_ref_count(folio)) S
)
