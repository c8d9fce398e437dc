// SPDX-License-Identifier: GPL-2.0
// what: io_uring: of a fixed buffer that starts within a page and so has a
//   page more than its length tells the last page is not pinned.
// kind: S
// files: io_uring/memmap.c
// versions: 6.10-
// counter: +(N-1)/+(N-1)
// page: the last page is not pinned
// vm: VmPin: a page less
// data: a request that reaches the last page goes to other memory
// tests: matrix_test=uring_buffers.*
//   geometry_test=uring_buffers.*,uring_send_zc_fixed.*
//   uring_test=fixed_io.*,sizes
// functions: io_pin_pages io_import_fixed

@@
identifier uaddr, len, n;
expression nr_pages, end, start;
@@
 io_pin_pages(unsigned long uaddr, unsigned long len, int *n)
 {
 <...
-	nr_pages = end - start;
+	nr_pages = DIV_ROUND_UP(len, PAGE_SIZE);
 ...>
 }
