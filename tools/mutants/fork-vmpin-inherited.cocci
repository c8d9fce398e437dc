// SPDX-License-Identifier: GPL-2.0
// what: fork() gives the child the parent's VmPin, too, which counts against
//   its RLIMIT_MEMLOCK from then on and is never given back.
// kind: S
// files: kernel/fork.c
// versions: 5.10-
// counter: balanced
// vm: VmPin of the child is that of the parent at the time of fork()
// tests: matrix_test=*.anon.fork
// functions: mm_init

@@
expression mm;
@@
 mm_init(...)
 {
 <...
-	atomic64_set(&mm->pinned_vm, 0);
 ...>
 }
