// SPDX-License-Identifier: GPL-2.0
// what: xfs and others: pages of a direct read that fits into one bio and
//   that were written back while it was in flight are not marked dirty again.
// kind: S
// files: fs/iomap/direct-io.c
// versions: 7.2-
// counter: balanced
// page: clean after data came to it
// data: what was read is lost from the file, or from swap, that the memory
//   belongs to
// tests: inflight_test=dm_ext4.*

@@
expression sr;
@@
 __iomap_dio_read_simple(...)
 {
 <...
-	sr->dio_flags |= IOMAP_DIO_USER_BACKED;
 ...>
 }
