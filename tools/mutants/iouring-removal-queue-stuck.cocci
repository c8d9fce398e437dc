// SPDX-License-Identifier: GPL-2.0
// what: Of several fixed buffers that were replaced while a request held the
//   first, only this one is unpinned when the request ends.
// kind: S
// files: io_uring/rsrc.c
// versions: 6.6-6.12
// counter: +N/+less, until the next replacement
// log: the ring's end waits for ever
// tests: uring_test matrix_test=uring_* geometry_test=uring_*
//   limits_test=memlock*.uring_* rlimit_test bad_input_test=uring_*
//   inflight_test=*.uring.*
// functions: io_rsrc_node_ref_zero io_rsrc_ref_quiesce io_ring_exit_work

@@
expression E;
identifier node;
@@
 io_rsrc_node_ref_zero(...)
 {
 <...
-	while (!list_empty(E))
+	if (!list_empty(E))
 	{
 	...
-	if (node->refs)
-		break;
+	if (node->refs)
+		return;
 	...
 	}
 ...>
 }
