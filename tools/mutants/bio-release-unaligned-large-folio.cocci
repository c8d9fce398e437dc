// SPDX-License-Identifier: GPL-2.0
// what: The number of pages to unpin is taken from the length of a segment
//   alone, not from where in a page it starts.
// kind: R
// fix: 38b43539d64b
// fixed-in: 6.9
// catalogue: yes
// files: block/bio.c
// versions: 6.9-
// counter: +(n+1)/+n
// tests: dio_target_test=*.read_offset,*.write_offset,*.thp_part_*,*.hugetlb_part_*
//   matrix_test=dio_*part*,dio_*unaligned*,aio_*part*,aio_*unaligned*
//   inflight_test=*unaligned* node_test geometry_test=dio*
// functions: __bio_release_pages

@@
identifier nr, fi;
expression E;
@@
 __bio_release_pages(...)
 {
 <...
-	nr = E;
+	nr = DIV_ROUND_UP(fi.length, PAGE_SIZE);
 	unpin_user_folio(fi.folio, nr);
 ...>
 }
