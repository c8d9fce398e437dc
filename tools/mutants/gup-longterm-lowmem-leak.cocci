// SPDX-License-Identifier: GPL-2.0
// what: Long-term pins: when the array of folios for the migration check
//   cannot be allocated, the pins are not dropped.
// kind: R
// fix: 94efde1d1539 aa6f8b2593b5
// fixed-in: 6.12
// catalogue: yes
// files: mm/gup.c
// versions: 6.12-
// counter: +N/+0, -ENOMEM
// tests: fail_nth_test=xdp_umem*,vfio*,rdma*,vhost_vdpa*,helper_longterm* limits_test=many.*
// functions: check_and_migrate_movable_pages

@@
identifier nr, pages, pofs;
@@
 check_and_migrate_movable_pages(unsigned long nr, struct page **pages)
 {
 	...
+	{
+		void *folios = kmalloc_array(nr, sizeof(struct folio *), GFP_KERNEL);
+
+		if (!folios)
+			return -ENOMEM;
+		kfree(folios);
+	}
 	return check_and_migrate_movable_pages_or_folios(&pofs);
 }
