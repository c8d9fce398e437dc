// SPDX-License-Identifier: GPL-2.0
// what: ext4, xfs and others: direct reads do not mark the pages dirty that
//   they have written to.
// kind: S
// files: fs/iomap/direct-io.c
// versions: 6.1-
// counter: balanced
// page: clean, though the device has written
// data: lost when the page is reclaimed
// tests: inflight_test dio_target_test=ext4.*,xfs.* case45_test
// functions: __iomap_dio_rw

@@
expression dio;
@@
 __iomap_dio_rw(...)
 {
 <...
-	dio->flags |= IOMAP_DIO_DIRTY;
+	;
 ...>
 }
