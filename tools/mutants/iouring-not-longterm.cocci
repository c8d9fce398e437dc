// SPDX-License-Identifier: GPL-2.0
// what: Fixed buffers and rings in user memory are pinned as if for a moment:
//   from files that track dirty pages, too, and where they are, in movable
//   memory.
// kind: S
// files: io_uring/memmap.c
// versions: 6.10-6.12
// counter: balanced
// page: zone; a mapped file's pages are pinned instead of refused
// tests: longterm_test matrix_test=uring_buffers.*,uring_nommap.*
// functions: io_pin_pages

@@
@@
 io_pin_pages(...)
 {
 <...
-	FOLL_WRITE | FOLL_LONGTERM
+	FOLL_WRITE
 ...>
 }
