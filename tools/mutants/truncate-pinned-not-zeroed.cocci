// SPDX-License-Identifier: GPL-2.0
// what: Truncating a file, or punching a hole, within a large folio that is
//   pinned, and so cannot be split, leaves what was there, not zeroes.
// kind: S
// files: mm/truncate.c
// versions: 6.11-
// counter: balanced
// data: the file has its old data in the hole, or after it was made longer
//   again
// tests: pinned_stays_test=punch.*
// functions: truncate_inode_partial_folio

@@
expression C, folio, offset, length;
@@
 truncate_inode_partial_folio(...)
 {
 <...
+	if (folio_test_large(folio) && folio_maybe_dma_pinned(folio))
+		return false;
 	if (C)
 		folio_zero_range(folio, offset, length);
 ...>
 }
