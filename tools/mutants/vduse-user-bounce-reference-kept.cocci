// SPDX-License-Identifier: GPL-2.0
// what: VDUSE: a bounce buffer that is let go is unpinned, but the reference that
//   the address space has to each of its pages is forgotten.
// kind: S
// files: drivers/vdpa/vdpa_user/iova_domain.c
// versions: 6.0-
// counter: balanced
// page: a reference too many, and it is never freed
// tests: matrix_test=vduse*.* page_view_test

@@
@@
 vduse_domain_remove_user_bounce_pages(...)
 {
 <...
-	put_page(...);
 ...>
 }
