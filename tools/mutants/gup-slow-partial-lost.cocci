// SPDX-License-Identifier: GPL-2.0
// what: The slow path meets a hole, returns the error and forgets the pages
//   that it pinned before.
// kind: S
// files: mm/gup.c
// versions: 5.10-
// counter: +n/+0, -EFAULT
// tests: bad_input_test geometry_test=helper_*,process_vm_*,vfio_*
//   matrix_test=helper_*.hole.*,process_vm_*.hole.*,vfio_*.hole.*
// functions: __get_user_pages

@@
identifier i, ret;
@@
 __get_user_pages(...)
 {
 <...
-	return i ? i : ret;
+	return ret ? ret : i;
 ...>
 }
