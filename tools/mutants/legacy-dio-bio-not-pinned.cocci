// SPDX-License-Identifier: GPL-2.0
// what: File systems with the old direct I/O code: the bios are not marked as
//   pinned, and their pages stay pinned.
// kind: R
// fix: 1ccf164ec866
// fixed-in: 6.5
// catalogue: yes
// files: fs/direct-io.c
// versions: 6.5-
// counter: N/2N where a good kernel has N/3N
// page: N pins too many
// tests: dio_target_test=vfat*,udf.*,ntfs3.*,ext2.*,f2fs.*,jfs.*,nilfs2.* io_error_test=vfat.*
//   page_view_test
// functions: dio_bio_alloc

@@
expression dio, bio;
@@
 dio_bio_alloc(...)
 {
 <...
-	if (dio->is_pinned)
-		bio_set_flag(bio, BIO_PAGE_PINNED);
 ...>
 }
