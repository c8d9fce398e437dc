// SPDX-License-Identifier: GPL-2.0
// what: FS-DAX: truncating a file, or punching a hole, does not wait for who
//   has its pages pinned, and blocks are freed to which a device still
//   writes.
// kind: S
// files: fs/dax.c
// versions: 5.10-6.14
// counter: balanced
// page: pinned, though it belongs to no file any more
// data: a device writes to blocks of another file
// tests: longterm_test=waits.*
// functions: dax_busy_page dax_layout_busy_page_range

@@
expression page;
@@
 dax_busy_page(...)
 {
 <...
-	if (page_ref_count(page) > 1)
+	if (page_mapped(page))
 		return page;
 ...>
 }
