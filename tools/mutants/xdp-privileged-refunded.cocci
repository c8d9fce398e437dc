// SPDX-License-Identifier: GPL-2.0
// what: AF_XDP: a umem of a process with CAP_IPC_LOCK is not charged, but
//   taken off the user's locked memory when it is released, which falls below
//   zero, so that whatever else is to be charged to the user is refused.
// kind: S
// files: net/xdp/xdp_umem.c
// versions: 5.10-
// counter: balanced
// vm: the user's locked memory, which RLIMIT_MEMLOCK shows
// tests: limits_test=memlock*.xdp* matrix_test=xdp_umem.anon.*
// functions: xdp_umem_account_pages

@@
expression umem, E;
@@
 xdp_umem_account_pages(...)
 {
 ...
+	umem->user = get_uid(current_user());
 	if (capable(CAP_IPC_LOCK))
 		return 0;
 ...
-	umem->user = get_uid(E);
 ...
 }
