// SPDX-License-Identifier: GPL-2.0
// what: The shared page of zeroes is pinned like any other page.
// kind: R
// fix: c8070b787519
// fixed-in: 6.5
// catalogue: yes
// files: mm/gup.c
// versions: 6.5-
// counter: +N/+N instead of none
// page: references and pins of the zero page
// tests: matrix_test=*.zero.*,*.anon_untouched.* dio_target_test=*.zero_write
// functions: try_grab_folio gup_put_folio

@@
expression folio;
@@
 gup_put_folio(...)
 {
 <...
-	if (is_zero_folio(folio))
-		return;
 ...>
 }

@@
expression folio;
@@
 try_grab_folio(...)
 {
 <...
-	if (is_zero_folio(folio))
-		return 0;
 ...>
 }

@@
expression page;
@@
 try_grab_folio_fast(...)
 {
 <...
-	if (is_zero_page(page))
-		return page_folio(page);
 ...>
 }

@@
expression folio;
@@
 folio_add_pin(...)
 {
 <...
-	if (is_zero_folio(folio))
-		return;
 ...>
 }
