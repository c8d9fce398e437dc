// SPDX-License-Identifier: GPL-2.0
// what: fork() copies a pinned page of a large folio that is mapped by pages
//   from the folio's first page, whichever page it is.
// kind: S
// files: mm/memory.c
// versions: 5.11-
// counter: balanced
// data: the child has other data than the parent had
// tests: fork_test

@@
expression dst;
symbol page;
@@
 copy_present_page(...)
 {
 <...
 	copy_mc_user_highpage(dst,
-		page,
+		compound_head(page),
 		...)
 ...>
 }
