// SPDX-License-Identifier: GPL-2.0
// what: Direct I/O of file systems that must not take page faults while they
//   hold locks, as btrfs and gfs2, takes them all the same.
// kind: S
// files: lib/iov_iter.c
// versions: 6.3-
// counter: as before, or a hang
// log: hung task, when a file is written directly from its own mapping
// tests: dio_target_test=btrfs*
// functions: iov_iter_extract_user_pages btrfs_direct_write btrfs_read_folio
//   btrfs_start_ordered_extent btrfs_lock_and_flush_ordered_range
//   btrfs_file_write_iter btrfs_do_write_iter

@@
expression i;
@@
 iov_iter_extract_user_pages(...)
 {
 <...
-	if (i->nofault)
-		gup_flags |= FOLL_NOFAULT;
 ...>
 }
