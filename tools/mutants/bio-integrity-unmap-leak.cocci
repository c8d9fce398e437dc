// SPDX-License-Identifier: GPL-2.0
// what: Metadata buffers of more than one segment: the last one stays pinned.
// kind: S
// files: block/bio-integrity.c
// versions: 6.8-
// counter: +n/+(n-1)
// tests: matrix_test=nvme_meta*
// functions: bio_integrity_unpin_bvec

@@
identifier i, n;
statement S;
@@
 bio_integrity_unpin_bvec(...)
 {
 <...
-	for (i = 0; i < n; i++) S
+	for (i = 0; i < n - (n > 1); i++) S
 ...>
 }
