// SPDX-License-Identifier: GPL-2.0
// what: FUSE direct reads do not mark the pages dirty that they have written
//   to.
// kind: S
// files: fs/fuse/file.c
// versions: 6.1-
// counter: balanced
// page: clean, though the server has written
// data: lost when the page is reclaimed
// tests: matrix_test=fuse_read.* inflight_test case45_test
//   io_error_test=fuse*.*
// functions: fuse_direct_io

@@
expression io, E;
@@
 fuse_direct_io(...)
 {
 <...
-	io->should_dirty = E;
+	io->should_dirty = false;
 ...>
 }
