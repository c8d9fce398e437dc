// SPDX-License-Identifier: GPL-2.0
// what: A pin for writing does not wait for userfaultfd to allow it: only what
//   user space itself writes does.
// kind: S
// files: mm/memory.c
// versions: 5.19-
// counter: as if nothing were protected
// data: written to though it is protected
// tests: userfault_test=*.allowed
// functions: do_wp_page

@@
expression vma, pte;
@@
 do_wp_page(...)
 {
 <...
-	if (userfaultfd_pte_wp(vma, pte)) {
+	if (userfaultfd_pte_wp(vma, pte) && vmf->flags & FAULT_FLAG_USER) {
 	...
 	}
 ...>
 }
