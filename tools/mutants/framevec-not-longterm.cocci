// SPDX-License-Identifier: GPL-2.0
// what: V4L2 USERPTR: buffers are pinned as if for a moment: pages of files that
//   track dirty pages, too, and where they are, in movable memory.
// kind: S
// files: drivers/media/common/videobuf2/frame_vector.c
// versions: 6.2-
// counter: balanced
// page: zone; a mapped file's pages are pinned instead of refused
// tests: matrix_test=vivid_* geometry_test=vivid_*
//   limits_test=memlock*.vivid_*
// functions: get_vaddr_frames

@@
identifier gup_flags;
@@
 get_vaddr_frames(...)
 {
 ...
-	unsigned int gup_flags = FOLL_LONGTERM;
+	unsigned int gup_flags = 0;
 ...
 }
