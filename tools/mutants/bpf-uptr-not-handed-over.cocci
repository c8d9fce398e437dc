// SPDX-License-Identifier: GPL-2.0
// what: BPF: user memory to which a value points (uptr) is pinned, but not
//   handed over to the task storage: programs do not see it, and it stays
//   pinned.
// kind: S
// files: kernel/bpf/bpf_local_storage.c
// versions: 6.13-
// counter: +1/+0
// data: programs have NULL where memory was given
// tests: bpf_test matrix_test=bpf_uptr.*
// functions: bpf_obj_pin_uptrs

@@
expression swap;
@@
 bpf_selem_alloc(...)
 {
 <...
-	if (swap)
-		bpf_obj_swap_uptrs(...);
 ...>
 }
