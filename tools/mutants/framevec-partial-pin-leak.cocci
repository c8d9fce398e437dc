// SPDX-License-Identifier: GPL-2.0
// what: V4L2 USERPTR: when only the front of a buffer could be pinned, that
//   part stays pinned.
// kind: S
// files: drivers/media/common/videobuf2/videobuf2-memops.c
// versions: 5.12-
// counter: +n/+0, -EFAULT
// tests: matrix_test=vivid_userptr.*
// functions: vb2_create_framevec

@@
@@
 vb2_create_framevec(...)
 {
 <...
-	put_vaddr_frames(...);
 ...>
 }
