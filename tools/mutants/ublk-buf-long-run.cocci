// SPDX-License-Identifier: GPL-2.0
// what: ublk: of a registered shared buffer with more than 32 contiguous
//   pages the first 32 are unpinned again and again, and those behind stay
//   pinned.
// kind: S
// files: drivers/block/ublk_drv.c
// versions: 7.3-
// counter: balanced
// page: those behind the first 32 stay pinned; of small pages the first 32
//   are freed under their owner
// log: sanity check of the unpinned pages, with CONFIG_DEBUG_VM; bad page
//   state
// tests: ublk_test
// functions: ublk_unpin_range_pages __ublk_shmem_remove_ranges
//   ublk_ctrl_unreg_buf gup_put_folio sanity_check_pinned_pages

@@
symbol base_pfn, off;
identifier j;
@@
 ublk_unpin_range_pages(...)
 {
 <...
-	pfn_to_page(base_pfn + off + j)
+	pfn_to_page(base_pfn + j)
 ...>
 }
