// SPDX-License-Identifier: GPL-2.0
// what: fork() lets the child share pages that the parent has pinned, so that
//   the parent's next write gets another page than the device.
// kind: R
// fix: 70e806e4e645 d042035eaf5f
// fixed-in: 5.9
// catalogue: yes
// files: mm/gup.c
// versions: 6.1-
// counter: balanced
// data: what the parent writes never reaches the device, nor the other way
//   round
// log: sanity check of the unpinned pages, with CONFIG_DEBUG_VM
// tests: fork_test=data.* matrix_test=*.fork inflight_test=*.fork
//   case45_test=case5.fork.*
// functions: sanity_check_pinned_pages unpin_user_page unpin_user_pages
//   unpin_user_pages_dirty_lock

@@
expression flags;
@@
 mm_set_has_pinned_flag(...)
 {
-	if (!test_bit(MMF_HAS_PINNED, flags))
-		set_bit(MMF_HAS_PINNED, flags);
 }

// Later flags are for their own functions only.
@@
expression mm;
@@
 mm_set_has_pinned_flag(...)
 {
-	if (!mm_flags_test(MMF_HAS_PINNED, mm))
-		mm_flags_set(MMF_HAS_PINNED, mm);
 }
