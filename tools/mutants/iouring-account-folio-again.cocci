// SPDX-License-Identifier: GPL-2.0
// what: Fixed buffers: a large folio is charged again for each buffer of the
//   ring that has a part of it.
// kind: S
// files: io_uring/rsrc.c
// versions: 6.1-
// counter: balanced
// vm: VmPin, two folios where there is one
// tests: uring_test=iovecs.*
// functions: headpage_already_acct hpage_acct_ref hpage_acct_unref

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

// Later each folio has a count of the buffers that have a part of it.
@@
expression new;
@@
 hpage_acct_ref(...)
 {
 <...
-	*new = false;
+	*new = true;
 ...>
 }

@@
@@
 hpage_acct_unref(...)
 {
 ...
 xa_store(...);
-return false;
+return true;
 }
