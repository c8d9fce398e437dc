// SPDX-License-Identifier: GPL-2.0
// what: soft-RoCE: a region goes on to count as bound to a memory window (of
//   type 1) that was unbound or bound to another region: it cannot be
//   deregistered any more and stays pinned for ever.
// kind: S
// files: drivers/infiniband/sw/rxe/rxe_mw.c
// versions: 5.14-
// counter: +N/+0, -EINVAL
// vm: VmPin
// log: WARN when the device's file is closed
// tests: rdma_test=*window*
// functions: rxe_do_bind_mw rxe_dereg_mr uverbs_destroy_ufile_hw
//   __uverbs_cleanup_ufile uverbs_destroy_uobject

@@
expression mw;
@@
 rxe_do_bind_mw(...)
 {
 <...
-	atomic_dec(&mw->mr->num_mw);
 ...>
 }
