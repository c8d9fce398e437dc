// SPDX-License-Identifier: GPL-2.0
// what: Long-term pins of pages of FS-DAX, which are blocks of a file system,
//   are allowed.
// kind: S
// files: mm/gup.c
// versions: 5.10-6.12
// counter: balanced
// tests: longterm_test
// functions: check_vma_flags

@@
@@
 check_vma_flags(...)
 {
 <...
-	if ((gup_flags & FOLL_LONGTERM) && vma_is_fsdax(vma))
-		return -EOPNOTSUPP;
 ...>
 }
