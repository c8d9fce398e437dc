// SPDX-License-Identifier: GPL-2.0
// what: vhost-vdpa: unmapping gives the charge back to the process that
//   unmaps, not to the owner's.
// kind: S
// files: drivers/vhost/vdpa.c
// versions: 5.10-
// counter: balanced
// vm: VmPin of both processes
// tests: matrix_test=vhost_vdpa*
// functions: vhost_vdpa_pa_unmap

@@
expression map, dev;
@@
 vhost_vdpa_pa_unmap(...)
 {
 <...
-	atomic64_sub(PFN_DOWN(map->size), &dev->mm->pinned_vm);
+	atomic64_sub(PFN_DOWN(map->size), &(current->mm ?: dev->mm)->pinned_vm);
 ...>
 }
