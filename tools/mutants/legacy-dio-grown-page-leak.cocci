// SPDX-License-Identifier: GPL-2.0
// what: File systems with the old direct I/O code: each block but the first
//   that is added to the same page, as blocks or clusters are smaller than a
//   page, pins the page once more, which is never undone.
// kind: S
// files: fs/direct-io.c
// versions: 6.6-
// counter: as it should be: folio_add_pin() does not count
// page: a pin is left for each block that was added
// tests: dio_target_test=vfat*.*,exfat.*,udf.*
// functions: submit_page_section folio_add_pin

@@
identifier dio, sdio, page;
expression len;
@@
 submit_page_section(struct dio *dio, struct dio_submit *sdio,
		     struct page *page, ...)
 {
 <...
+	dio_pin_page(dio, page);
 	sdio->cur_page_len += len;
 ...>
 }
