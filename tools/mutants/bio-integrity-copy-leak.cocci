// SPDX-License-Identifier: GPL-2.0
// what: Metadata buffers that must be copied, as they are not aligned: those
//   of writes stay pinned.
// kind: S
// files: block/bio-integrity.c
// versions: 6.8-
// counter: +n/+0
// tests: matrix_test=nvme_meta*
// functions: bio_integrity_copy_user

@@
expression write, v, n;
@@
 bio_integrity_copy_user(...)
 {
 <...
-	if (write)
-		bio_integrity_unpin_bvec(v, n);
-	else
+	if (!write)
 		memcpy(...);
 ...>
 }
