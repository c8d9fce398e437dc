// SPDX-License-Identifier: GPL-2.0
// what: The slow path pins pages of which userfaultfd wants to know each access
//   (UFFDIO_RWPROTECT) without telling it.
// kind: S
// files: mm/gup.c
// versions: 7.3-
// counter: +1/+1 where the process was to wait for userfaultfd
// data: changes unnoticed
// tests: userfault_test=*.returned

@@
expression vma, flags;
@@
 follow_page_pte(...)
 {
 <...
-	!gup_can_follow_protnone(vma, flags)
+	(flags & FOLL_HONOR_NUMA_FAULT) && vma_is_accessible(vma)
 ...>
 }
