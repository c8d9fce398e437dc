// SPDX-License-Identifier: GPL-2.0
// what: Pins of the slow path are not counted as acquired.
// kind: S
// files: mm/gup.c
// versions: 6.12-
// counter: +0/+N
// tests: counters_test
//   matrix_test=process_vm_*,xdp_umem.*,vfio_*,udmabuf*,*.anon_untouched.*
// functions: try_grab_folio

@@
@@
 try_grab_folio(...)
 {
 <...
-	node_stat_mod_folio(folio, NR_FOLL_PIN_ACQUIRED, refs);
 ...>
 }
