// SPDX-License-Identifier: GPL-2.0
// what: The fast path does not note that the process has pinned pages, so that
//   fork() shares them.
// kind: S
// files: mm/gup.c
// versions: 5.11-6.16
// counter: balanced
// data: what the parent writes never reaches the device, if all of its pins
//   were fast ones
// log: sanity check of the unpinned pages, with CONFIG_DEBUG_VM
// tests: fork_test matrix_test=*.anon.fork,*.cow.fork inflight_test=*.fork
//   case45_test=case5.fork.*
// functions: sanity_check_pinned_pages unpin_user_page unpin_user_pages
//   unpin_user_pages_dirty_lock

@@
identifier fallback = {internal_get_user_pages_fast, gup_fast_fallback};
@@
 fallback(...)
 {
 <...
-	if (gup_flags & FOLL_PIN)
-		mm_set_has_pinned_flag(...);
 ...>
 }
