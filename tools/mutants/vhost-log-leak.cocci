// SPDX-License-Identifier: GPL-2.0
// what: vhost: the page of the dirty log in which a bit was set stays pinned.
// kind: S
// files: drivers/vhost/vhost.c
// versions: 5.8-
// counter: +1/+0 for each bit
// tests: matrix_test=vhost_log*
// functions: set_bit_to_user

@@
expression page;
@@
 set_bit_to_user(...)
 {
 <...
-	unpin_user_pages_dirty_lock(&page, 1, true);
+	set_page_dirty_lock(page);
 ...>
 }
