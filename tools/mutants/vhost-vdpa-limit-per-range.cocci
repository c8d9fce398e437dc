// SPDX-License-Identifier: GPL-2.0
// what: vhost-vdpa: each range alone is held against RLIMIT_MEMLOCK, without what
//   is pinned already.
// kind: S
// files: drivers/vhost/vdpa.c
// versions: 5.10-
// counter: +N/+0 where +0/+0, -ENOMEM is right
// vm: VmPin above the limit
// tests: matrix_test=vhost_vdpa* geometry_test=vhost_vdpa*
//   limits_test=memlock*.vhost_vdpa*
// functions: vhost_vdpa_pa_map

@@
expression npages, E, lock_limit;
@@
 vhost_vdpa_pa_map(...)
 {
 <...
-	npages + atomic64_read(E) > lock_limit
+	npages > lock_limit
 ...>
 }
