// SPDX-License-Identifier: GPL-2.0
// what: File systems with the old direct I/O code: pages that were pinned but
//   not used, behind the end of the file or after an error, stay pinned.
// kind: S
// files: fs/direct-io.c
// versions: 6.5-
// counter: +n/+less
// tests: dio_target_test=vfat*,udf.*,ntfs3.*,exfat.*,jfs.*,nilfs2.*
// functions: dio_cleanup

@@
expression dio;
@@
 dio_cleanup(...)
 {
 <...
-	if (dio->is_pinned)
-		unpin_user_pages(...);
 ...>
 }
