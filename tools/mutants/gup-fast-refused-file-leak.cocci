// SPDX-License-Identifier: GPL-2.0
// what: The fast path pins a page that it must not, of a file that tracks
//   dirty pages or of secretmem, sees it and forgets to unpin.
// kind: S
// files: mm/gup.c
// versions: 6.5-
// counter: +1/+0 or more, -EFAULT
// tests: longterm_test=refused.* matrix_test=*.file_shared.*,*.secretmem.*
// functions: gup_fast_pte_range

@@
expression folio, flags;
@@
 if (!gup_fast_folio_allowed(folio, flags)) {
-	gup_put_folio(folio, 1, flags);
 	...
 }
