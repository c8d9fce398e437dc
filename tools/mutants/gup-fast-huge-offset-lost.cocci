// SPDX-License-Identifier: GPL-2.0
// what: The fast path hands out the pages of a huge page from its beginning,
//   not from the address that was asked for.
// kind: S
// files: mm/gup.c
// versions: 7.3-
// counter: balanced
// data: reads and writes go to the front of the huge page
// tests: data_test geometry_test=dio_*.*,udmabuf*.* uring_test=fixed_io.*
// functions: gup_fast_pmd_leaf

@@
expression E;
symbol page, orig;
@@
 gup_fast_pmd_leaf(...)
 {
 <...
-	page = pmd_page(orig) + E;
+	page = pmd_page(orig);
 ...>
 }
