// SPDX-License-Identifier: GPL-2.0
// what: ublk: copying to a request's memory of user space keeps a reference to
//   the last page.
// kind: S
// files: drivers/block/ublk_drv.c
// versions: 6.4-6.16
// counter: balanced (references)
// page: a reference is left
// tests: ublk_test control_test
// functions: ublk_copy_user_pages

@@
identifier i, iter;
@@
 ublk_copy_user_pages(...)
 {
 <...
-	put_page(iter.pages[i]);
+	if (i + 1 < nr_pages)
+		put_page(iter.pages[i]);
 ...>
 }
