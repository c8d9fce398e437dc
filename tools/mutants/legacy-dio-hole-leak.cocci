// SPDX-License-Identifier: GPL-2.0
// what: File systems with the old direct I/O code: the page at which a read
//   reaches the end of the file or a write a hole stays pinned.
// kind: S
// files: fs/direct-io.c
// versions: 6.5-
// counter: +n/+(n-1)
// tests: dio_target_test=vfat*,udf.*,ntfs3.*,exfat.*,jfs.*,nilfs2.*
// functions: do_direct_IO

@@
identifier page;
expression dio;
@@
 do_direct_IO(...)
 {
 <...
-	dio_unpin_page(dio, page);
 	return -ENOTBLK;
 ...>
 }

@@
identifier page;
expression dio, E1, E2;
identifier l;
@@
 do_direct_IO(...)
 {
 <...
 	if (E1 >= E2) {
-		dio_unpin_page(dio, page);
 		goto l;
 	}
 ...>
 }
