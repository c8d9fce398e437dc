// SPDX-License-Identifier: GPL-2.0
// what: The fast path pins pages of secretmem that are not on the LRU list
//   yet, as they were touched just now.
// kind: E
// fix: 65291dcfcf89
// fixed-in: 6.9
// files: mm/gup.c
// versions: 6.10-
// counter: +N/+N and success instead of -EFAULT
// page: pages of secretmem are pinned
// data: secret memory reaches a device
// log: page fault of the kernel, where it copies the data itself
// tests: longterm_test=*secretmem* matrix_test=*.secretmem.*
// functions: gup_fast_folio_allowed

@@
expression mapping;
identifier check_secretmem;
@@
 gup_fast_folio_allowed(...)
 {
 <...
-	if (check_secretmem && secretmem_mapping(mapping))
+	if (check_secretmem && folio_test_lru(folio) && secretmem_mapping(mapping))
 		return false;
 ...>
 }
