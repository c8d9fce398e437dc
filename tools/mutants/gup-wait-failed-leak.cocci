// SPDX-License-Identifier: GPL-2.0
// what: A pin had to wait for a page, which then cannot be had: the pages
//   before it, pinned already, are forgotten.
// kind: S
// files: mm/gup.c
// versions: 6.1-
// counter: +n/+0, -EFAULT
// page: the pages before that one stay pinned
// tests: userfault_test
// functions: __get_user_pages_locked

@@
identifier ret, done;
@@
 if (ret != 1) {
(
 	BUG_ON(ret > 1);
|
 	VM_WARN_ON_ONCE(ret > 1);
)
-	if (!done)
-		done = ret;
+	done = ret;
 	break;
 }
