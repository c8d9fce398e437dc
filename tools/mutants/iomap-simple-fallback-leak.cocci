// SPDX-License-Identifier: GPL-2.0
// what: xfs and others: a direct read that does not fit into one bio, and so is
//   done by the general code after all, leaves the pages of that bio pinned.
// kind: S
// files: fs/iomap/direct-io.c
// versions: 7.3-
// counter: +(N+n)/+N, n being what one bio holds; the read is right
// tests: dio_target_test=*.gap_block_read
// functions: __iomap_dio_read_simple

@@
@@
 __iomap_dio_read_simple(...)
 {
 <...
-	bio_release_pages(...);
 ...>
 }
