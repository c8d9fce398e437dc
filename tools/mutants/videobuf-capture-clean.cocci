// SPDX-License-Identifier: GPL-2.0
// what: V4L2 USERPTR: a buffer that the device has filled is not marked dirty
//   when it is unpinned.
// kind: S
// files: drivers/media/common/videobuf2/videobuf2-vmalloc.c
// versions: 5.12-
// counter: balanced
// page: clean, though the device has written
// data: lost when the page is reclaimed
// tests: matrix_test=vivid_* geometry_test=vivid_*
//   limits_test=memlock*.vivid_*
// functions: vb2_vmalloc_put_userptr

@@
expression buf;
@@
 vb2_vmalloc_put_userptr(...)
 {
 <...
-	buf->dma_dir == DMA_FROM_DEVICE || buf->dma_dir == DMA_BIDIRECTIONAL
+	buf->dma_dir == DMA_BIDIRECTIONAL
 ...>
 }
