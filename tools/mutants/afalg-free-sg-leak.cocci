// SPDX-License-Identifier: GPL-2.0
// what: AF_ALG: the last page of a request is not unpinned.
// kind: S
// files: crypto/af_alg.c
// versions: 6.5-
// counter: +N/+(N-1)
// tests: matrix_test=af_alg_*
// functions: af_alg_free_sg

@@
identifier i;
expression n;
statement S;
@@
 af_alg_free_sg(...)
 {
 <...
-	for (i = 0; i < n; i++) S
+	for (i = 0; i + 1 < n; i++) S
 ...>
 }
