// SPDX-License-Identifier: GPL-2.0
// what: netfs: asynchronous unbuffered and direct reads do not unpin, only those
//   that are waited for.
// kind: S
// files: fs/netfs/direct_read.c
// versions: 6.8-
// counter: +N/+0 for AIO and io_uring
// page: pinned for ever
// tests: io_error_test=9p* dio_target_test=9p*
// functions: netfs_unbuffered_read_iter_locked

@@
expression rreq, iter;
@@
 netfs_unbuffered_read_iter_locked(...)
 {
 <...
-	rreq->direct_bv_unpin = iov_iter_extract_will_pin(iter);
+	rreq->direct_bv_unpin = sync && iov_iter_extract_will_pin(iter);
 ...>
 }
