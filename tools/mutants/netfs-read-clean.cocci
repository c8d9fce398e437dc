// SPDX-License-Identifier: GPL-2.0
// what: netfs: unbuffered and direct reads do not mark the pages dirty that they
//   have written to.
// kind: S
// files: fs/netfs/read_collect.c
// versions: 6.12-
// counter: balanced
// page: clean, though the read has written
// data: lost when the page is reclaimed
// tests: dio_target_test=9p.* limits_test=memcg_half.* inflight_test=9p.*
// functions: netfs_rreq_assess_dio

@@
expression page;
@@
 netfs_rreq_assess_dio(...)
 {
 <...
-	set_page_dirty(page);
 ...>
 }
