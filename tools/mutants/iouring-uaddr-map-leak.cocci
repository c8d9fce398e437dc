// SPDX-License-Identifier: GPL-2.0
// what: Rings in user memory: pages that are not contiguous are refused, as
//   they were up to 6.9, and stay pinned.
// kind: E
// fix: 67d1189d1095
// fixed-in: 6.9
// catalogue: yes
// files: io_uring/memmap.c
// versions: 6.10-
// counter: +N/+0, -EINVAL
// tests: matrix_test=uring_nommap.* geometry_test=uring_nommap*
// functions: __io_uaddr_map io_region_pin_pages

@@
identifier array, nr;
expression E1, E2;
@@
 array = io_pin_pages(E1, E2, &nr);
 if (IS_ERR(array))
 	return array;
+{
+	int k;
+
+	for (k = 1; k < nr; k++)
+		if (array[k] != array[0] + k)
+			return ERR_PTR(-EINVAL);
+}

// Later it is a region.
@@
identifier array, nr;
expression E1, E2;
@@
 io_region_pin_pages(...)
 {
 <...
 	array = io_pin_pages(E1, E2, &nr);
 	if (IS_ERR(array))
 		return PTR_ERR(array);
+	{
+		int k;
+
+		for (k = 1; k < nr; k++)
+			if (array[k] != array[0] + k)
+				return -EINVAL;
+	}
 ...>
 }
