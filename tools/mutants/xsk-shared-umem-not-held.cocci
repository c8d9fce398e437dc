// SPDX-License-Identifier: GPL-2.0
// what: AF_XDP: a socket that shares the umem of another one does not hold it:
//   the umem is unpinned when the first of them is closed, under the other.
// kind: S
// files: net/xdp/xsk.c
// versions: 4.18-
// counter: balanced, but too early
// vm: taken off the user's locked memory too early, too
// log: refcount_t: underflow; use-after-free
// tests: xdp_test
// functions: xdp_umem_release xsk_bind xdp_put_umem xsk_destruct xp_release_deferred
//   refcount_warn_saturate

@@
@@
 xsk_bind(...)
 {
 <...
-	xdp_get_umem(...);
 ...>
 }
