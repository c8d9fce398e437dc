// SPDX-License-Identifier: GPL-2.0
// what: A metadata buffer of which only the front could be pinned is refused,
//   but not unpinned.
// kind: E
// catalogue: yes
// files: block/bio-integrity.c
// versions: 6.12-
// counter: +n/+0
// tests: matrix_test=nvme_meta* geometry_test=nvme_meta*
// functions: bio_integrity_map_user

@@
expression pages;
identifier i, n;
@@
 bio_integrity_map_user(...)
 {
 <...
-	for (i = 0; i < n; i++)
-		unpin_user_page(pages[i]);
 ...>
 }
