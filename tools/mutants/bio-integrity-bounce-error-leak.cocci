// SPDX-License-Identifier: GPL-2.0
// what: Metadata buffers that must be copied, as they are not aligned: those of
//   reads that fail on the device stay pinned.
// kind: S
// files: block/bio-integrity.c
// versions: 6.12-
// counter: +n/+0 when the command fails
// tests: io_error_test=nvme*
// functions: bio_integrity_unmap_user bio_integrity_uncopy_user

@@
expression bio;
@@
 bio_integrity_unmap_user(...)
 {
 <...
-	if (bio_data_dir(bio) == READ)
+	if (bio_data_dir(bio) == READ && !bio->bi_status)
 		bio_integrity_uncopy_user(...);
 ...>
 }
