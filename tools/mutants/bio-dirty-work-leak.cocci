// SPDX-License-Identifier: GPL-2.0
// what: Asynchronous direct reads whose pages were cleaned meanwhile leave
//   them pinned.
// kind: S
// files: block/bio.c
// versions: 6.5-
// counter: +N/+0
// tests: matrix_test=aio_read.*,uring_read.* dio_target_test=*.aio_read,*.uring_read
//   inflight_test
// functions: bio_dirty_fn

@@
expression bio;
@@
 bio_dirty_fn(...)
 {
 <...
-	bio_release_pages(bio, true);
 ...>
 }
