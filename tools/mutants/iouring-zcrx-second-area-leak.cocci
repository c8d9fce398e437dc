// SPDX-License-Identifier: GPL-2.0
// what: Zero-copy receive: of a queue to which areas were added later on
//   only the first area is unpinned when the queue is freed.
// kind: S
// files: io_uring/zcrx.c
// versions: 7.3-
// counter: +N/+n, that of the first area
// vm: VmPin
// tests: uring_test=zcrx.* matrix_test=uring_zcrx.*
// functions: io_zcrx_ifq_free io_zcrx_free_area

@@
identifier i;
expression ifq;
@@
 io_zcrx_ifq_free(...)
 {
 <...
-	i < ifq->nr_areas
+	i < !!ifq->nr_areas
 ...>
 }
