// SPDX-License-Identifier: GPL-2.0
// what: perf: the part of a ring buffer that was charged to the process' VmPin,
//   as it is above the user's allowance, stays there when it is unmapped.
// kind: S
// files: kernel/events/core.c
// versions: 5.10-6.17
// counter: balanced
// vm: VmPin never falls; what goes by it, as RDMA, is refused in the end
// tests: control_test=perf
// functions: perf_mmap_close

@@
identifier mmap_locked, vma;
@@
 perf_mmap_close(...)
 {
 <...
-	atomic64_sub(mmap_locked, &vma->vm_mm->pinned_vm);
 ...>
 }
