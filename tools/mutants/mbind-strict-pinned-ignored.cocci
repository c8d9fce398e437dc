// SPDX-License-Identifier: GPL-2.0
// what: mbind() with MPOL_MF_STRICT and MPOL_MF_MOVE does not say that pages could
//   not be moved to the node asked for, as they are pinned.
// kind: S
// files: mm/mempolicy.c
// versions: 6.7-
// counter: balanced
// data: success where -EIO is due; the pages are on the old node
// tests: pinned_stays_test=refused*
// functions: do_mbind

@@
expression nr;
@@
 do_mbind(...)
 {
 <...
-	nr |= migrate_pages(...);
+	migrate_pages(&pagelist, alloc_migration_target_by_mpol, NULL,
+		      (unsigned long)&mmpol, MIGRATE_SYNC,
+		      MR_MEMPOLICY_MBIND, NULL);
 ...>
 }
