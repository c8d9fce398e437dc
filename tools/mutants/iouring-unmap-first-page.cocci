// SPDX-License-Identifier: GPL-2.0
// what: Fixed buffers: the first page of each is not unpinned.
// kind: S
// files: io_uring/rsrc.c
// versions: 6.1-
// counter: +N/+(N-1)
// tests: matrix_test=uring_buffers.*,uring_update.*,uring_clone.* uring_test
// functions: io_buffer_unmap io_release_ubuf

@@
identifier i, imu;
identifier unmap = {io_buffer_unmap, io_release_ubuf};
statement S;
@@
 unmap(...)
 {
 <...
-	for (i = 0; i < imu->nr_bvecs; i++) S
+	for (i = 1; i < imu->nr_bvecs; i++) S
 ...>
 }
