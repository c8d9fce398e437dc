// SPDX-License-Identifier: GPL-2.0
// what: File systems with the old direct I/O code: the page at which no block
//   can be had, as the disk is full or cannot be read, stays pinned.
// kind: S
// files: fs/direct-io.c
// versions: 6.5-
// counter: +1/+0
// tests: dio_target_test=vfat*,ext2.*,exfat.* io_error_test=vfat.*
// functions: do_direct_IO

@@
expression dio, sdio, map_bh, page, ret;
@@
 do_direct_IO(...)
 {
 <...
 	ret = get_more_blocks(dio, sdio, map_bh);
 	if (ret) {
-		dio_unpin_page(dio, page);
 		goto out;
 	}
 ...>
 }
