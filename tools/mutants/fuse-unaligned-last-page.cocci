// SPDX-License-Identifier: GPL-2.0
// what: FUSE direct I/O: of memory that starts within a page and so has a page
//   more than its length tells the last page is pinned, but neither used nor
//   unpinned.
// kind: S
// files: fs/fuse/file.c
// versions: 6.6-
// counter: +N/+(N-1)
// data: the last bytes are not transferred
// tests: geometry_test=fuse_*.* matrix_test=fuse_*.anon_unaligned.*
//   data_test=fuse_*.*
// functions: fuse_get_user_pages

@@
identifier start;
expression npages, ret;
@@
 fuse_get_user_pages(...)
 {
 <...
 	ret += start;
 ...
-	npages = DIV_ROUND_UP(ret, PAGE_SIZE);
+	npages = DIV_ROUND_UP(ret - start, PAGE_SIZE);
 ...>
 }
