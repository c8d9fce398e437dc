// SPDX-License-Identifier: GPL-2.0
// what: ublk: a shared buffer that is refused after it was pinned, as a part of
//   it is registered already, stays pinned.
// kind: S
// files: drivers/block/ublk_drv.c
// versions: 7.3-
// counter: +N/+0, -EEXIST
// tests: ublk_test control_test teardown_test limits_test bad_input_test
//   fail_nth_test
// functions: ublk_ctrl_reg_buf __ublk_ctrl_reg_buf

@@
identifier ub;
symbol memflags;
@@
 ublk_ctrl_reg_buf(struct ublk_device *ub, ...)
 {
 <...
 	ida_free(...);
-	goto err_unlock;
+	ublk_unlock_buf_tree(ub, memflags);
+	goto err_free_pages;
 ...>
 }
