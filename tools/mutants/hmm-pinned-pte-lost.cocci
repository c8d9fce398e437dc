// SPDX-License-Identifier: GPL-2.0
// what: Memory that is to be migrated to a device (HMM): a page that is pinned is
//   left where it is, but no more mapped, so that the process gets another one.
// kind: S
// files: mm/migrate_device.c
// versions: 5.19-
// counter: balanced
// page: stays mapped once too often
// data: the device has a page that the process has no more
// log: bad rss-counter state
// tests: pinned_stays_test=to_device*
// functions: migrate_vma_collect_pmd check_mm

@@
@@
 migrate_vma_collect_pmd(...)
 {
 <...
 	if (folio_try_share_anon_rmap_pte(...)) {
-		set_pte_at(...);
 		...
 	}
 ...>
 }
