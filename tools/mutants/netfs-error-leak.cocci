// SPDX-License-Identifier: GPL-2.0
// what: netfs: an unbuffered or direct transfer that the server answers with
//   an error leaves its pages pinned.
// kind: S
// files: fs/netfs/objects.c
// versions: 6.10-
// counter: +N/+0, an error
// tests: io_error_test=9p*
// functions: netfs_free_request

@@
expression rreq;
@@
 netfs_free_request(...)
 {
 <...
-	if (rreq->direct_bv_unpin)
+	if (rreq->direct_bv_unpin && !rreq->error)
 		unpin_user_page(...);
 ...>
 }
