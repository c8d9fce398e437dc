// SPDX-License-Identifier: GPL-2.0
// what: vhost-vdpa: each range alone is held against RLIMIT_MEMLOCK, without what
//   is pinned already.
// kind: S
// files: drivers/vhost/vdpa.c
// versions: 5.10-
// counter: +N/+0 where +0/+0, -ENOMEM is right
// vm: VmPin above the limit
// tests: rlimit_test limits_test matrix_test geometry_test teardown_test
//   bad_input_test fail_nth_test
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
