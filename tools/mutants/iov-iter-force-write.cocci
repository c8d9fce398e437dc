// SPDX-License-Identifier: GPL-2.0
// what: Direct reads into a private mapping that the process may not write
//   to are let through, as pins for an iterator ask for FOLL_FORCE.
// kind: S
// files: lib/iov_iter.c
// versions: 6.3-
// counter: +N/+N and success instead of +0/+0 and -EFAULT
// data: memory that is read-only was written to
// tests: bad_input_test
//   matrix_test=dio_*.anon_readonly.*,sg_*.anon_readonly.*
// functions: iov_iter_extract_user_pages

@@
identifier gup_flags;
@@
 iov_iter_extract_user_pages(...)
 {
 <...
-	gup_flags |= FOLL_WRITE;
+	gup_flags |= FOLL_WRITE | FOLL_FORCE;
 ...>
 }
