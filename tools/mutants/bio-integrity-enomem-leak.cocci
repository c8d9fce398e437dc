// SPDX-License-Identifier: GPL-2.0
// what: A metadata buffer that is pinned, but for whose list or copy there
//   is no memory, stays pinned.
// kind: S
// files: block/bio-integrity.c
// versions: 6.8-6.15
// counter: +n/+0, -ENOMEM
// tests: fail_nth_test=nvme_meta*,uring_nvme*
// functions: bio_integrity_map_user

@@
expression bvec, nr;
@@
 bio_integrity_map_user(...)
 {
 <...
 release_pages:
-	bio_integrity_unpin_bvec(bvec, nr);
+	;
 ...>
 }
