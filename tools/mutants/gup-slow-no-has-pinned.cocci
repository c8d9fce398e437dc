// SPDX-License-Identifier: GPL-2.0
// what: The slow path does not note that the process has pinned pages, so
//   that fork() shares them.
// kind: S
// files: mm/gup.c
// versions: 5.14-6.17
// counter: balanced
// data: what the parent writes never reaches the device, or what the device
//   writes the parent
// log: sanity check of the unpinned pages, with CONFIG_DEBUG_VM
// tests: fork_test case45_test=case5.fork.* pinned_stays_test
//   matrix_test=helper_*.fork,vfio_*.fork
// functions: __get_user_pages_locked sanity_check_pinned_pages
//   unpin_user_page unpin_user_pages unpin_user_pages_dirty_lock

@@
@@
 __get_user_pages_locked(...)
 {
 <...
-	if (flags & FOLL_PIN)
-		mm_set_has_pinned_flag(...);
 ...>
 }
