// SPDX-License-Identifier: GPL-2.0
// what: Asynchronous direct reads whose pages are still dirty at the end leave
//   them pinned.
// kind: S
// files: block/bio.c
// versions: 6.5-
// counter: +N/+0
// tests: matrix_test=aio_read.*,uring_read.*,uring_iopoll.*
//   dio_target_test=*.aio_read,*.uring_read inflight_test
// functions: bio_check_pages_dirty

@@
expression bio;
@@
 bio_check_pages_dirty(...)
 {
 <...
-	bio_release_pages(bio, false);
 ...>
 }
