// SPDX-License-Identifier: GPL-2.0
// what: xfs and others: a direct read that fits into one bio is not unpinned.
// kind: S
// files: fs/iomap/direct-io.c
// versions: 7.3-
// counter: +N/+0
// page: pinned for ever
// tests: inflight_test=*_block
// functions: iomap_dio_simple_complete

@@
expression bio;
@@
 iomap_dio_simple_complete(...)
 {
 <...
-	bio_check_pages_dirty(bio);
+	bio_put(bio);
 ...>
 }
