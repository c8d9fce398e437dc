// SPDX-License-Identifier: GPL-2.0
// what: The slow path lets go of the lock to have a page read, pins it, and
//   forgets to count it in.
// kind: S
// files: mm/gup.c
// versions: 5.10-
// counter: +N/+0 more than the caller knows of
// tests: geometry_test=*.file_cold
// functions: __get_user_pages_locked

@@
identifier done, nr;
@@
 __get_user_pages_locked(...)
 {
 <...
 	nr--;
-	done++;
 ...>
 }
