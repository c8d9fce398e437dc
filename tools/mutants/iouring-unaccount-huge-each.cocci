// SPDX-License-Identifier: GPL-2.0
// what: Fixed buffers whose pages could not be joined to folios, as a huge
//   page is followed by small ones: the charge for the huge page is given up
//   once for each of its pages, and so another buffer's, too.
// kind: S
// files: io_uring/rsrc.c
// versions: 7.3-
// counter: balanced
// vm: VmPin and the user's locked memory: too low while another buffer has a
//   part of the huge page
// log: WARN of hpage_acct_unref(), of a ring that is charged (without
//   CAP_IPC_LOCK)
// tests: uring_test limits_test=*uring* geometry_test=uring_buffers.*
// functions: io_buffer_unaccount_pages hpage_acct_unref io_buffer_unmap

@@
expression hpage;
symbol seen;
@@
 io_buffer_unaccount_pages(...)
 {
 <...
-	if (hpage == seen)
-		continue;
 	seen = hpage;
 ...>
 }
