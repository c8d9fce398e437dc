// SPDX-License-Identifier: GPL-2.0
// what: Buffers are cloned between rings of different users or processes, and
//   what one was charged is given back to the other.
// kind: R
// fix: 19d340a2988d
// fixed-in: 6.14
// catalogue: yes
// files: io_uring/rsrc.c
// versions: 6.12-
// counter: balanced
// vm: VmPin of the two processes
// tests: uring_test=clone.* matrix_test=uring_clone.*
// functions: io_clone_buffers io_unaccount_mem

@@
expression a, b, c, d;
@@
 io_clone_buffers(...)
 {
 <...
-	if (a != b || c != d)
-		return -EINVAL;
 ...>
 }
