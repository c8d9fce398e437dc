// SPDX-License-Identifier: GPL-2.0
// what: ext4, xfs and others: direct writes mark the pages dirty that the
//   device only reads.
// kind: S
// files: fs/iomap/direct-io.c
// versions: 6.5-
// counter: balanced
// page: dirty, though nobody wrote to it
// log: of ext4, about dirty pages without buffers
// tests: dio_target_test=xfs.*,here.*,ext4.*
//   matrix_test=dio_write.*,aio_write.*,uring_write.*
//   inflight_test=xfs.*,ext4.*
// functions: __iomap_dio_rw iomap_dio_bio_end_io ext4_dirty_folio

@@
expression dio;
@@
 __iomap_dio_rw(...)
 {
 <...
+	if (user_backed_iter(iter))
+		dio->flags |= IOMAP_DIO_DIRTY;
 	dio->flags |= IOMAP_DIO_WRITE;
 ...>
 }
