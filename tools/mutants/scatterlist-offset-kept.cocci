// SPDX-License-Identifier: GPL-2.0
// what: User pages to a scatterlist, as AF_ALG does: the offset of the first
//   page is taken as that of those behind it, too.
// kind: S
// files: lib/scatterlist.c
// versions: 6.3-
// counter: balanced
// data: wrong where memory starts within a page and goes on in another
// tests: data_test=af_alg* geometry_test=af_alg*
// functions: scatterwalk_done extract_user_to_sg

@@
identifier off;
@@
 extract_user_to_sg(...)
 {
 <...
-	off = 0;
 ...>
 }
