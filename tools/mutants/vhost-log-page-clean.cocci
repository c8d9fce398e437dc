// SPDX-License-Identifier: GPL-2.0
// what: vhost: the page of the dirty log in which a bit was set is itself not
//   marked dirty.
// kind: S
// files: drivers/vhost/vhost.c
// versions: 5.8-
// counter: balanced
// page: clean, though it was written to
// data: the bit is lost when the page is reclaimed
// tests: matrix_test=vhost_log.* geometry_test=vhost_log.*
// functions: set_bit_to_user

@@
expression page;
@@
 set_bit_to_user(...)
 {
 <...
-	unpin_user_pages_dirty_lock(&page, 1, true);
+	unpin_user_page(page);
 ...>
 }
