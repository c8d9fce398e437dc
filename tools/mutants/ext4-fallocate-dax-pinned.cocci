// SPDX-License-Identifier: GPL-2.0
// what: ext4 with DAX: punching a hole, zeroing, collapsing or inserting a range
//   does not wait for who has the blocks pinned; truncating does.
// kind: S
// files: fs/ext4/extents.c
// versions: 5.15-
// counter: balanced
// data: a device goes on with blocks that are free or another file's
// tests: longterm_test=waits*
// functions: ext4_fallocate ext4_punch_hole dax_disassociate_entry
//   dax_insert_entry

@@
expression ret, inode;
identifier l;
@@
-	ret = ext4_break_layouts(inode);
-	if (ret)
-		goto l;
