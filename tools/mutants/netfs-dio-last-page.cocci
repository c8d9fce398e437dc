// SPDX-License-Identifier: GPL-2.0
// what: netfs: the last page of an unbuffered or direct transfer is not
//   unpinned when its request is freed.
// kind: S
// files: fs/netfs/objects.c
// versions: 6.10-
// counter: +N/+(N-1)
// tests: dio_target_test=9p.*
// functions: netfs_free_request

@@
expression i, rreq;
@@
-	for (i = 0; i < rreq->direct_bv_count; i++) {
+	for (i = 0; i + 1 < rreq->direct_bv_count; i++) {
 ...
 }
