// SPDX-License-Identifier: GPL-2.0
// what: Block devices: a direct read or write that takes more than one bio
//   has the front of its metadata buffer with each of them.
// kind: S
// files: block/bio-integrity.c
// versions: 7.3-
// counter: balanced
// page: the pages behind that of the first bio are never pinned
// data: the metadata of the later bios goes to, or comes from, the front of
//   the buffer
// log: of the device, about wrong protection information
// tests: uring_test=meta.* matrix_test=uring_meta_*.anon.*
// functions: bio_integrity_map_iter bio_integrity_map_user

@@
expression meta, n;
@@
 bio_integrity_map_iter(...)
 {
 <...
-	iov_iter_advance(&meta->iter, n);
 ...>
 }
