// SPDX-License-Identifier: GPL-2.0
// what: Memory that is to be migrated to a device (HMM): a huge page of THP that
//   is pinned, and so cannot be migrated nor split, keeps the reference that was
//   taken to look at it.
// kind: S
// files: mm/migrate_device.c
// versions: 7.0-
// counter: balanced
// page: a reference too many, and it is never freed
// tests: pinned_stays_test=to_device*

@@
identifier ret;
expression folio, fault_folio;
@@
 migrate_vma_collect_huge_pmd(...)
 {
 <...
 	ret = split_folio(folio);
 	if (fault_folio != folio)
 		folio_unlock(folio);
+	if (!ret)
 	folio_put(folio);
 ...>
 }
