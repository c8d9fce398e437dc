// SPDX-License-Identifier: GPL-2.0
// what: netfs: when not even the front of a buffer can be had for want of
//   memory, what was pinned stays so.
// kind: S
// files: fs/netfs/iterator.c
// versions: 6.12-
// counter: +n/+0
// tests: dio_target_test=9p.* fail_nth_test=dio_* limits_test=memcg_half.*
// functions: netfs_extract_user_iter

@@
expression bv, i;
@@
 netfs_extract_user_iter(...)
 {
 <...
-	unpin_user_page(bv[i].bv_page);
+	;
 ...>
 }
