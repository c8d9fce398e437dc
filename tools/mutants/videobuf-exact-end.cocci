// SPDX-License-Identifier: GPL-2.0
// what: V4L2 USERPTR: of a buffer that ends with a page the page behind is
//   pinned, too; if there is none, the buffer is refused.
// kind: S
// files: drivers/media/common/videobuf2/videobuf2-memops.c
// versions: 5.12-
// counter: +(N+1)/+(N+1) where the buffer's end is aligned
// page: the page behind the buffer is pinned
// data: EFAULT where nothing is mapped behind
// tests: matrix_test=vivid_*.*
// functions: vb2_create_framevec

@@
expression start, length, last;
@@
 vb2_create_framevec(...)
 {
 <...
-	last = (start + length - 1) >> PAGE_SHIFT;
+	last = (start + length) >> PAGE_SHIFT;
 ...>
 }
