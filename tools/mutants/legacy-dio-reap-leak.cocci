// SPDX-License-Identifier: GPL-2.0
// what: File systems with the old direct I/O code: the pages of bios that are
//   done before the last one of a long request is sent stay pinned.
// kind: S
// files: fs/direct-io.c
// versions: 6.5-
// counter: +N/+less
// tests: dio_target_test=vfat*.*,udf.*,exfat.*,ntfs3.* io_error_test=vfat.*
//   inflight_test
// functions: dio_bio_reap dio_new_bio dio_send_cur_page do_direct_IO

@@
expression dio;
identifier bio, ret2;
@@
 dio_bio_reap(...)
 {
 <...
-	ret2 = blk_status_to_errno(dio_bio_complete(dio, bio));
+	ret2 = blk_status_to_errno(bio->bi_status);
+	bio_put(bio);
 ...>
 }
