// SPDX-License-Identifier: GPL-2.0
// what: BPF: when a value with pointers to user memory (uptr) cannot be put
//   into task storage, the page of the last one stays pinned.
// kind: S
// files: kernel/bpf/syscall.c
// versions: 7.3-
// counter: +1/+0, -EEXIST
// tests: bpf_test bad_input_test=bpf_uptr.* matrix_test=bpf_uptr.*
// functions: bpf_obj_unpin_uptrs bpf_map_update_value

@@
expression rec, obj;
@@
 bpf_obj_unpin_uptrs(...)
 {
 <...
-	__bpf_obj_unpin_uptrs(rec, rec->cnt, obj)
+	__bpf_obj_unpin_uptrs(rec, rec->cnt - 1, obj)
 ...>
 }
