// SPDX-License-Identifier: GPL-2.0
// what: btrfs: direct writes of files with checksums do not go by a bounce
//   buffer, but straight from the pinned pages, which the process may change
//   while they are in flight.
// kind: S
// files: fs/btrfs/direct-io.c
// versions: 7.1-
// counter: +N/+N where +0/+0 was due
// data: the checksum does not fit the data if it was changed in flight: -EIO
//   when it is read
// log: csum failed
// tests: dio_target_test=btrfs*

@@
identifier flags;
@@
 btrfs_dio_write(...)
 {
 <...
-	flags |= IOMAP_DIO_BOUNCE;
 ...>
 }
