// SPDX-License-Identifier: GPL-2.0
// what: UFFDIO_MOVE moves a page that is pinned to another address.
// kind: S
// files: mm/userfaultfd.c mm/huge_memory.c
// versions: 6.8-6.16
// counter: balanced
// page: the page that a device has is mapped elsewhere
// data: what the device writes appears elsewhere
// tests: userfault_test=uring_buffers.*,helper_* pinned_stays_test
// functions: move_present_pte move_pages_huge_pmd

@@
expression folio;
@@
 move_present_pte(...)
 {
 <...
-	folio_maybe_dma_pinned(folio)
+	0
 ...>
 }

@@
expression folio;
@@
 move_pages_huge_pmd(...)
 {
 <...
-	folio_maybe_dma_pinned(folio)
+	0
 ...>
 }
