// SPDX-License-Identifier: GPL-2.0
// what: ublk: a request whose memory begins within a run of contiguous pages
//   of a registered shared buffer is handed to the server with the offset
//   of the run's front.
// kind: S
// files: drivers/block/ublk_drv.c
// versions: 7.1-
// counter: balanced
// data: the server takes, and puts, other pages' data
// tests: ublk_test

@@
expression off, range, pfn, mas, bv;
@@
 ublk_try_buf_match(...)
 {
 <...
 	off = range->base_offset +
-		(pfn - mas.index) * PAGE_SIZE +
 		bv.bv_offset;
 ...>
 }
