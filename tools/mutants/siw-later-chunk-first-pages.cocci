// SPDX-License-Identifier: GPL-2.0
// what: soft-iWARP: of a region of more than 512 pages each further list of
//   pages begins with the first page of the region again.
// kind: S
// files: drivers/infiniband/sw/siw/siw_mem.c
// versions: 6.9-
// counter: balanced
// data: in the wrong page, within the region
// tests: rdma_test geometry_test=rdma_siw*
// functions: siw_umem_get

@@
expression umem;
identifier i, plist;
symbol sg_iter, sgt;
@@
 siw_umem_get(...)
 {
 <...
 	umem->page_chunk[i].plist = plist;
+	if (i) {
+		__sg_page_iter_start(&sg_iter, sgt->sgl, sgt->orig_nents, 0);
+		__sg_page_iter_next(&sg_iter);
+	}
 ...>
 }
