// SPDX-License-Identifier: GPL-2.0
// what: Long-term pins for writing of a shared mapping of a file that tracks
//   dirty pages are allowed.
// kind: R
// fix: 8ac268436e6d a6e79df92e4a
// fixed-in: 6.5
// catalogue: yes
// files: mm/gup.c
// versions: 6.5-
// counter: +N/+0 and success instead of +1/+1 or none and -EFAULT
// tests: longterm_test=refused.file_shared.*
//   matrix_test=uring_buffers.file_shared.*,xdp_umem.file_shared.*,rdma_rxe_mr.file_shared.*,vfio_type1.file_shared.*
// functions: writable_file_mapping_allowed

@@
expression vma, flags;
@@
 check_vma_flags(...)
 {
 <...
-	!writable_file_mapping_allowed(vma, flags)
+	(!writable_file_mapping_allowed(vma, flags) && 0)
 ...>
 }

@@
@@
 gup_fast_folio_allowed(...)
 {
 <...
-	reject_file_backed = true;
+	reject_file_backed = false;
 ...>
 }
