// SPDX-License-Identifier: GPL-2.0
// what: Reclaim discards a page that is pinned and was given up by MADV_FREE,
//   so that the process gets another one at its address.
// kind: S
// files: mm/rmap.c
// versions: 7.3-
// counter: balanced
// page: pinned, but not mapped any more
// data: the process and the device see different pages
// tests: pinned_stays_test=lazyfree.*
// functions: ttu_anon_lazyfree_folio try_to_unmap_one shrink_folio_list

@@
expression r, m;
@@
 ttu_anon_lazyfree_folio(...)
 {
 <...
-	if (r != 1 + m)
+	if (r < 1 + m)
 		return false;
 ...>
 }
