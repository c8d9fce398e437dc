// SPDX-License-Identifier: GPL-2.0
// what: Long-term pins: of a range that lies in several mappings only the
//   first is looked at for whether it may be pinned for long, not those
//   behind it.
// kind: S
// files: mm/gup.c
// versions: 6.5-
// counter: +N/+N and success, or the front alone, instead of -EFAULT
// page: a mapped file's pages are pinned for long
// tests: longterm_test=refused.behind* geometry_test=*.then_file
// functions: __get_user_pages check_vma_flags

@@
identifier ret;
symbol i, vma, gup_flags;
@@
 __get_user_pages(...)
 {
 <...
-	ret = check_vma_flags(vma, gup_flags);
+	ret = check_vma_flags(vma, i ? gup_flags & ~FOLL_LONGTERM : gup_flags);
 ...>
 }
