// SPDX-License-Identifier: GPL-2.0
// what: fork() meets pinned pages of a large folio, which it has to copy one
//   by one, and keeps the references that it took to share them: the memory
//   is never freed.
// kind: S
// files: mm/memory.c
// versions: 6.9-
// counter: balanced
// page: a reference too many on each such page's folio, also after it was
//   unpinned and unmapped
// tests: fork_test=data.*
// functions: copy_present_ptes

@@
expression folio, nr;
@@
 copy_present_ptes(...)
 {
 <...
-	folio_ref_sub(folio, nr);
 	return -EAGAIN;
 ...>
 }
