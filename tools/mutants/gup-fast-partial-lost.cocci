// SPDX-License-Identifier: GPL-2.0
// what: When the slow path fails, the pins that the fast path took before are
//   forgotten.
// kind: S
// files: mm/gup.c
// versions: 5.10-
// counter: +n/+0, -EFAULT
// tests: matrix_test=*.hole.* bad_input_test dio_target_test=*.gap_*
// functions: gup_fast_fallback internal_get_user_pages_fast

@@
expression ret, nr;
@@
 if (ret < 0) {
-	if (nr)
-		return nr;
 	return ret;
 }
