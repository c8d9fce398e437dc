// SPDX-License-Identifier: GPL-2.0
// what: Direct reads into a list of pieces of memory, not into one, pin them
//   for reading only, though the device writes to them: shared pages and that
//   of zeroes are not copied, and read-only memory is written to.
// kind: S
// files: lib/iov_iter.c
// versions: 6.3-
// counter: fewer than N for memory that was not touched yet
// page: the page of zeroes is used in place of an own one
// data: readv() into read-only memory succeeds; others see what was read
// tests: matrix_test=dio_readv.*,sg_io_readv.* data_test
// functions: iov_iter_extract_user_pages

@@
identifier i;
@@
 iov_iter_extract_user_pages(struct iov_iter *i, ...)
 {
 <...
-	i->data_source == ITER_DEST
+	i->data_source == ITER_DEST && iter_is_ubuf(i)
 ...>
 }
