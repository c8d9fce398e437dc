// SPDX-License-Identifier: GPL-2.0
// what: FUSE direct I/O: when the server transfers less than asked for, or
//   nothing, the pages behind that stay pinned.
// kind: S
// files: fs/fuse/file.c
// versions: 6.9-6.13
// counter: +N/+less, a short count
// tests: matrix_test=fuse_* geometry_test=fuse_* io_error_test=fuse*.*
//   inflight_test=fuse.* dio_target_test=fuse.*
// functions: fuse_release_user_pages

@@
identifier i, ap, nres;
@@
 fuse_release_user_pages(struct fuse_args_pages *ap, ssize_t nres, ...)
 {
 unsigned int i;
+	ssize_t left = nres;
 ...
 for (i = 0; i < ap->num_pages; i++) {
+		if (nres >= 0 && left <= 0)
+			break;
+		left -= ap->descs[i].length;
 ...
 }
 ...
 }
