// SPDX-License-Identifier: GPL-2.0
// what: Fixed buffers: a large folio is charged again for each buffer of the
//   ring that has a part of it.
// kind: S
// files: io_uring/rsrc.c
// versions: 6.1-
// counter: balanced
// vm: VmPin, two folios where there is one
// tests: uring_test=iovecs.*
// functions: headpage_already_acct

@@
identifier imu, j, hpage;
@@
 headpage_already_acct(...)
 {
 <...
-	if (compound_head(imu->bvec[j].bv_page) == hpage)
-		return true;
 ...>
 }
