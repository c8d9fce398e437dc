// SPDX-License-Identifier: GPL-2.0
// what: Two adjacent iovecs in one page become one segment, and the second pin
//   of that page is forgotten.
// kind: R
// fix: 456918049560
// fixed-in: 5.2
// catalogue: yes
// files: block/bio.c
// versions: 6.12-6.15
// counter: +2/+1
// tests: dio_target_test=*.adjacent_* matrix_test=dio_readv.*,dio_writev.*
// functions: bio_iov_add_folio

@@
@@
 bio_iov_add_folio(...)
 {
 <...
-	if (same_page && bio_flagged(bio, BIO_PAGE_PINNED))
-		unpin_user_folio(folio, 1);
 ...>
 }
