// SPDX-License-Identifier: GPL-2.0
// what: Migration to device memory meets a pinned page, leaves it where it is,
//   and keeps the reference that it took to look at it.
// kind: S
// files: mm/migrate_device.c
// versions: 6.6-
// counter: balanced
// page: a plain reference more for each try; never freed
// tests: pinned_stays_test=to_device*
// functions: migrate_vma_collect_pmd migrate_vma_setup

@@
expression folio, page, mm, addr, ptep, pte;
@@
 migrate_vma_collect_pmd(...)
 {
 <...
 	if (folio_try_share_anon_rmap_pte(folio, page)) {
 		set_pte_at(mm, addr, ptep, pte);
 		folio_unlock(folio);
-		folio_put(folio);
 		...
 	}
 ...>
 }
