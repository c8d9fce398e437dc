// SPDX-License-Identifier: GPL-2.0
// what: A process is killed while its pin waits for a page: the pages before
//   it, pinned already, are forgotten.
// kind: S
// files: mm/gup.c
// versions: 6.1-
// counter: +n/+0
// page: the pages before that one stay pinned
// tests: userfault_test
// functions: __get_user_pages_locked

@@
identifier done;
@@
 if (gup_signal_pending(...)) {
-	if (!done)
-		done = -EINTR;
+	done = -EINTR;
 	break;
 }
