// SPDX-License-Identifier: GPL-2.0
// what: The fast path does not look whether a fork() ran meanwhile.
// kind: R
// fix: 57efa1fe5957
// fixed-in: 5.11
// catalogue: yes
// files: mm/gup.c
// versions: 6.1-
// counter: balanced
// data: what a device writes to a page pinned while fork() ran goes to the
//   other process
// log: sanity check of the unpinned pages, with CONFIG_DEBUG_VM
// tests: fork_test=race.*,data.*
// functions: sanity_check_pinned_pages unpin_user_page unpin_user_pages
//   unpin_user_pages_dirty_lock gup_fast internal_get_user_pages_fast

@@
identifier seq;
@@
-	if (seq & 1)
-		return 0;

@@
expression seqcount;
identifier seq;
statement S1, S2;
@@
-	if (read_seqcount_retry(seqcount, seq)) S1 else S2

// Later the first is one with the reading.
@@
expression seqcount;
identifier seq;
@@
-	if (!raw_seqcount_try_begin(seqcount, seq))
-		return 0;
+	seq = raw_read_seqcount(seqcount);
