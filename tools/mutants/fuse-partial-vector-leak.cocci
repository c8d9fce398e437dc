// SPDX-License-Identifier: GPL-2.0
// what: FUSE direct I/O: a request that ends early because a later part of the
//   memory cannot be had is done with what there is, but does not unpin it.
// kind: S
// files: fs/fuse/file.c
// versions: 6.9-
// counter: +n/+0, a short count
// tests: matrix_test=fuse_* geometry_test=fuse_* fail_nth_test=fuse_*
//   io_error_test=fuse*.* inflight_test=fuse.* dio_target_test=fuse.*
// functions: fuse_get_user_pages

@@
expression ap, ii;
symbol ret;
@@
 fuse_get_user_pages(...)
 {
 <...
-	ap->args.is_pinned = iov_iter_extract_will_pin(ii);
+	ap->args.is_pinned = ret > 0 && iov_iter_extract_will_pin(ii);
 ...>
 }
