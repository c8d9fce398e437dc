// SPDX-License-Identifier: GPL-2.0
// what: V4L2 USERPTR: of a buffer whose planes are in memory of their own
//   (multi-planar formats) only the first plane's memory is unpinned.
// kind: S
// files: drivers/media/common/videobuf2/videobuf2-core.c
// versions: 4.19-
// counter: +N/+n, that of the first plane
// tests: matrix_test=vivid_planes.*
// functions: __vb2_buf_userptr_put

@@
identifier plane;
expression vb;
@@
 __vb2_buf_userptr_put(...)
 {
 <...
-	plane < vb->num_planes
+	plane < 1
 ...>
 }
