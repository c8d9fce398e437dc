// SPDX-License-Identifier: GPL-2.0
// what: User pages to a scatterlist: when the next part faults, references are
//   dropped instead of pins.
// kind: R
// fix: f443fd5af5db
// fixed-in: 6.5
// catalogue: yes
// files: lib/scatterlist.c
// versions: 6.5-
// counter: +N/+0
// page: 1023 references left on each page
// tests: matrix_test=af_alg_*.hole.*,af_alg_*
// functions: extract_user_to_sg

@@
expression E;
@@
 extract_user_to_sg(...)
 {
 <...
-	unpin_user_page(E);
+	put_page(E);
 ...>
 }
