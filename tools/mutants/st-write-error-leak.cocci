// SPDX-License-Identifier: GPL-2.0
// what: SCSI tape: a direct write that fails leaves its pages pinned.
// kind: S
// files: drivers/scsi/st.c
// versions: 5.10-
// counter: +N/+0
// tests: matrix_test=st_write.* io_error_test
// functions: st_write

@@
expression STp;
@@
 st_write(...)
 {
 <...
-	release_buffering(STp, 0);
+	if (retval >= 0)
+		release_buffering(STp, 0);
 ...>
 }
