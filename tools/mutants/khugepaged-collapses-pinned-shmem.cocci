// SPDX-License-Identifier: GPL-2.0
// what: Pages of tmpfs and memfds are collapsed to a huge page though they
//   have more references than expected, as those that are pinned.
// kind: S
// files: mm/khugepaged.c
// versions: 6.12-
// counter: balanced
// page: the file's page is no longer the pinned one
// data: a device reads from, and writes to, the old page
// tests: pinned_stays_test=collapse.*
// functions: collapse_file hpage_collapse_scan_file

@@
expression folio;
statement S;
@@
 hpage_collapse_scan_file(...)
 {
 <...
-	if (!is_refcount_suitable(folio)) S
 ...>
 }

@@
expression folio, n;
@@
 collapse_file(...)
 {
 <...
-	folio_ref_count(folio) != n
+	folio_ref_count(folio) < n
 ...>
 }
