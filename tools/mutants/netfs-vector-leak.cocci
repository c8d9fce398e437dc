// SPDX-License-Identifier: GPL-2.0
// what: netfs: of several pieces of memory only as many pages are unpinned as the
//   last one has.
// kind: S
// files: fs/netfs/iterator.c
// versions: 6.3-
// counter: +N/+less
// tests: dio_target_test=9p.* limits_test=memcg_half.* inflight_test=9p.*
// functions: netfs_extract_user_iter

@@
symbol npages, cur_npages;
@@
 netfs_extract_user_iter(...)
 {
 <...
-	return npages;
+	return cur_npages;
 ...>
 }
