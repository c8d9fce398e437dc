// SPDX-License-Identifier: GPL-2.0
// what: V4L2 USERPTR: a buffer that is queued again at the same address, but
//   longer, is taken for the old one, and the rest is not pinned.
// kind: S
// files: drivers/media/common/videobuf2/videobuf2-core.c
// versions: 5.12-
// counter: +N/+0 where +(N+n)/+N is right
// page: the pages behind are not pinned
// tests: matrix_test=vivid_* geometry_test=vivid_*
//   limits_test=memlock*.vivid_*
// functions: __prepare_userptr

@@
expression E1, E2, a, b;
@@
 __prepare_userptr(...)
 {
 <...
-	E1 && E2 && a.length == b.length
+	E1 && E2
 ...>
 }
