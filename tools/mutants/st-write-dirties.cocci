// SPDX-License-Identifier: GPL-2.0
// what: SCSI tape: direct writes mark the pages dirty that the drive only
//   reads.
// kind: S
// files: drivers/scsi/st.c
// versions: 5.10-
// counter: balanced
// page: dirty, though nobody wrote to it
// log: of ext4, about dirty pages without buffers
// tests: matrix_test=st_*
// functions: st_write release_buffering ext4_dirty_folio

@@
expression STp;
@@
 st_write(...)
 {
 <...
-	release_buffering(STp, 0);
+	release_buffering(STp, 1);
 ...>
 }
