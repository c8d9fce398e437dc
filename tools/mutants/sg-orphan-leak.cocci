// SPDX-License-Identifier: GPL-2.0
// what: /dev/sgN: a direct command whose caller a signal took away leaves its
//   pages pinned.
// kind: S
// files: drivers/scsi/sg.c
// versions: 5.10-
// counter: +N/+0
// tests: matrix_test=sg_dio_*.* inflight_test
// functions: sg_finish_rem_req

@@
expression ret, srp;
@@
 sg_finish_rem_req(...)
 {
 <...
-	if (srp->bio)
+	if (srp->bio && !srp->orphan)
 		ret = blk_rq_unmap_user(srp->bio);
 ...>
 }
