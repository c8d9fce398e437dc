// SPDX-License-Identifier: GPL-2.0
// what: FUSE: an asynchronous direct request that cannot be sent any more, as the
//   server is gone, leaves its pages pinned.
// kind: S
// files: fs/fuse/file.c
// versions: 6.9-
// counter: +N/+0, -ENOTCONN
// tests: matrix_test=fuse_* geometry_test=fuse_* fail_nth_test=fuse_*
//   io_error_test=fuse*.* inflight_test=fuse.* dio_target_test=fuse.*
// functions: fuse_async_req_send

@@
identifier io, ia;
expression err, fm, args;
@@
 fuse_async_req_send(...)
 {
 ...
 struct fuse_io_priv *io = ia->io;
 <...
-	if (err)
-		fuse_aio_complete_req(fm, args, err);
+	if (err) {
+		fuse_aio_complete(io, err, -1);
+		fuse_io_free(ia);
+	}
 ...>
 }
