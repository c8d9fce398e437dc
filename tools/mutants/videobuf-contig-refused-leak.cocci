// SPDX-License-Identifier: GPL-2.0
// what: V4L2 USERPTR: memory that is refused after it was pinned, as it is not
//   contiguous and the device cannot do without, stays pinned.
// kind: S
// files: drivers/media/common/videobuf2/videobuf2-dma-contig.c
// versions: 4.3-
// counter: +N/+0, -EFAULT
// log: contiguous mapping is too small, with and without
// tests: matrix_test=vivid*.*
// functions: vb2_dc_get_userptr vb2_create_framevec get_vaddr_frames

@@
@@
 vb2_dc_get_userptr(...)
 {
 <...
-	vb2_destroy_framevec(...);
 ...>
 }
