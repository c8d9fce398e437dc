// SPDX-License-Identifier: GPL-2.0
// what: A huge page of THP that becomes mapped by pages, as a part of it is
//   unmapped or protected, is no longer noted as the process' own: a pinned
//   page of it is copied at the next write fault, and shared by fork().
// kind: S
// files: mm/huge_memory.c
// versions: 6.7-
// counter: balanced
// page: the mapped page is no longer the pinned one
// data: what the process writes never reaches the device, nor the other way
//   round
// log: sanity check of pinned pages, with CONFIG_DEBUG_VM
// tests: pinned_stays_test fork_test
// functions: __split_huge_pmd_locked sanity_check_pinned_pages
//   unpin_user_page unpin_user_pages unpin_user_pages_dirty_lock
//   follow_page_pte gup_fast_pte_range

@@
identifier flags;
@@
 __split_huge_pmd_locked(...)
 {
 <...
-	if (anon_exclusive)
-		flags |= RMAP_EXCLUSIVE;
 ...>
 }
