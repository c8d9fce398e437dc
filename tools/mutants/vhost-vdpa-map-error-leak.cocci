// SPDX-License-Identifier: GPL-2.0
// what: vhost-vdpa: when a later part of a range cannot be pinned, only the
//   pages of that part are let go.
// kind: R
// fix: ad89653f79f1
// fixed-in: 5.10
// catalogue: yes
// files: drivers/vhost/vdpa.c
// versions: 5.10-
// counter: +N/+less
// tests: matrix_test=vhost_vdpa* geometry_test=vhost_vdpa*.thp_then_hole
// functions: vhost_vdpa_pa_map

@@
statement S;
@@
 vhost_vdpa_pa_map(...)
 {
 <...
-	if (nchunks) S
 ...>
 }
