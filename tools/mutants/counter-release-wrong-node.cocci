// SPDX-License-Identifier: GPL-2.0
// what: Released pins are counted on the node of the CPU, not on that of the
//   page.
// kind: S
// files: mm/gup.c
// versions: 5.10-
// counter: balanced in total, not per node
// tests: node_test counters_test=nodes.* matrix_test=uring_buffers.*,xdp_umem.*
// functions: gup_put_folio

@@
expression folio, refs;
@@
 gup_put_folio(...)
 {
 <...
-	node_stat_mod_folio(folio, NR_FOLL_PIN_RELEASED, refs);
+	mod_node_page_state(NODE_DATA(numa_node_id()), NR_FOLL_PIN_RELEASED,
+			    refs);
 ...>
 }
