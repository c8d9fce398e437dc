// SPDX-License-Identifier: GPL-2.0
// what: Fixed buffers: when some slots of a table are replaced by clones,
//   the buffer in the slot just behind them is dropped, and unpinned though it
//   is registered.
// kind: S
// files: io_uring/rsrc.c
// versions: 7.3-
// counter: balanced, but released too early
// page: not pinned while it is registered
// vm: VmPin falls too early
// data: -EFAULT for requests with that buffer
// tests: uring_test=clone.*
// functions: io_clone_buffers io_rsrc_data_free

@@
identifier i;
symbol nbufs;
@@
 io_clone_buffers(...)
 {
 <...
-	i = nbufs
+	i = nbufs + 1
 ...>
 }
