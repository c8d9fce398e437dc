// SPDX-License-Identifier: GPL-2.0
// what: Pins of the fast path are not counted as acquired.
// kind: S
// catalogue: yes
// files: mm/gup.c
// versions: 6.12-
// counter: +0/+N
// tests: counters_test matrix_test=uring_*,dio_*,process_vm_*,aio_*,helper_* uring_test
//   dio_target_test=here.*,ext4.* bad_input_test
// functions: try_grab_folio_fast

@@
@@
 try_grab_folio_fast(...)
 {
 <...
-	node_stat_mod_folio(folio, NR_FOLL_PIN_ACQUIRED, refs);
 ...>
 }
