// SPDX-License-Identifier: GPL-2.0
// what: FUSE direct reads for which nobody waits do not mark the pages dirty that
//   they have written to.
// kind: S
// files: fs/fuse/file.c
// versions: 6.9-
// counter: balanced
// page: clean, though the server has written
// data: lost when the page is reclaimed
// tests: matrix_test=fuse_* geometry_test=fuse_* io_error_test=fuse*.*
//   inflight_test=fuse.* dio_target_test=fuse.*
// functions: fuse_aio_complete_req

@@
identifier io;
expression a, b;
@@
 fuse_aio_complete_req(...)
 {
 <...
-	fuse_release_user_pages(a, b, io->should_dirty);
+	fuse_release_user_pages(a, b, io->should_dirty && io->blocking);
 ...>
 }
