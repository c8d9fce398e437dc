// SPDX-License-Identifier: GPL-2.0
// what: A page of a file that is given up for a memory error is said to be
//   recovered although it is pinned, and a device goes on to use it.
// kind: S
// files: mm/memory-failure.c
// versions: 6.1-
// counter: balanced
// page: the pinned page is no longer the file's
// data: madvise(MADV_HWPOISON) succeeds where it should fail with EBUSY
// log: "recovery action for ...: Recovered" in place of "Failed"
// tests: pinned_stays_test
// functions: has_extra_refcount me_pagecache_clean me_huge_page memory_failure

@@
identifier ps, p, extra;
@@
 has_extra_refcount(struct page_state *ps, struct page *p, bool extra)
 {
 <...
-	count > 0
+	count > 0 && !folio_maybe_dma_pinned(page_folio(p))
 ...>
 }
