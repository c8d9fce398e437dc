// SPDX-License-Identifier: GPL-2.0
// what: Block devices: a non-blocking request that needs a second bio fails
//   with -EAGAIN and leaves the first one's pages pinned.
// kind: S
// fix: 67d59247d4b5
// catalogue: yes
// files: block/fops.c
// versions: 6.5-
// counter: +256/+0, -EAGAIN
// tests: dio_target_test=*.nowait* matrix_test=dio_nowait.*
// functions: __blkdev_direct_IO

@@
expression bio;
@@
-	bio_release_pages(bio, false);
 	bio_clear_flag(bio, BIO_REFFED);
