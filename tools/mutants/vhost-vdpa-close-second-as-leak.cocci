// SPDX-License-Identifier: GPL-2.0
// what: vhost-vdpa: closing the device unmaps only the first of the address
//   spaces that were used.
// kind: S
// files: drivers/vhost/vdpa.c
// versions: 6.3-
// counter: +N/+0 for the second address space
// tests: matrix_test=vhost_vdpa* geometry_test=vhost_vdpa*
//   limits_test=memlock*.vhost_vdpa*
// functions: vhost_vdpa_cleanup

@@
identifier v, as, asid;
@@
 vhost_vdpa_cleanup(...)
 {
 <...
-	if (as)
-		vhost_vdpa_remove_as(v, asid);
+	if (as) {
+		vhost_vdpa_remove_as(v, asid);
+		break;
+	}
 ...>
 }
