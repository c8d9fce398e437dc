// SPDX-License-Identifier: GPL-2.0
// what: V4L2 USERPTR: a buffer that is queued again with memory elsewhere leaves
//   the old memory pinned.
// kind: S
// files: drivers/media/common/videobuf2/videobuf2-core.c
// versions: 5.12-
// counter: +2N/+N
// tests: matrix_test=vivid_* geometry_test=vivid_*
//   limits_test=memlock*.vivid_*
// functions: __prepare_userptr

@@
expression vb, plane;
identifier reacquired;
statement S;
@@
 __prepare_userptr(...)
 {
 <...
 	if (vb->planes[plane].mem_priv) {
 		if (!reacquired) S
-		call_void_memop(...);
 	}
 ...>
 }
