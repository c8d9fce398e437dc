// SPDX-License-Identifier: GPL-2.0
// what: Fixed buffers that do not begin at the front of their first page or
//   large folio: requests with a list of parts of them (READV_FIXED and the
//   like) go to memory in front of those parts.
// kind: S
// files: io_uring/rsrc.c
// versions: 7.3-
// counter: balanced
// data: shifted by the buffer's offset in its page or folio
// tests: uring_test=vector.*
// functions: io_vec_fill_bvec io_import_reg_vec

@@
expression imu;
@@
 io_vec_fill_bvec(...)
 {
 <...
-	offset += imu->bvec[0].bv_offset;
 ...>
 }
