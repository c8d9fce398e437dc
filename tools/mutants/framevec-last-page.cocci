// SPDX-License-Identifier: GPL-2.0
// what: V4L2 USERPTR: the last page of a buffer is not unpinned.
// kind: S
// files: drivers/media/common/videobuf2/frame_vector.c
// versions: 5.12-
// counter: +N/+(N-1)
// tests: matrix_test=vivid_userptr.*
// functions: put_vaddr_frames

@@
expression pages, n;
@@
 put_vaddr_frames(...)
 {
 <...
-	unpin_user_pages(pages, n);
+	unpin_user_pages(pages, n - 1);
 ...>
 }
