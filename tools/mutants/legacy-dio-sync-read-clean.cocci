// SPDX-License-Identifier: GPL-2.0
// what: File systems with the old direct I/O code: synchronous direct reads
//   do not mark the pages dirty that they have written to.
// kind: S
// files: fs/direct-io.c
// versions: 5.10-
// counter: balanced
// page: clean, though the device has written
// data: lost when the page is reclaimed
// tests: dio_target_test=vfat.*,udf.* case45_test
// functions: dio_bio_complete

@@
expression bio, should_dirty;
@@
 dio_bio_complete(...)
 {
 <...
-	bio_release_pages(bio, should_dirty);
+	bio_release_pages(bio, false);
 ...>
 }
