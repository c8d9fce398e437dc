// SPDX-License-Identifier: GPL-2.0
// what: udmabuf: when there is no file descriptor for the buffer, its folios
//   stay pinned.
// kind: E
// fix: f49856f525ac
// fixed-in: 6.13
// catalogue: yes
// files: drivers/dma-buf/udmabuf.c
// versions: 6.12-
// counter: +folios/+0, -EMFILE
// tests: limits_test=*.udmabuf* fail_nth_test=udmabuf*
// functions: udmabuf_create

@@
expression ret;
@@
-	if (ret < 0)
-		dma_buf_put(...);
 	return ret;

// Later the list of folios is freed in between.
@@
expression ret;
@@
-	if (ret < 0)
-		dma_buf_put(...);
 	kvfree(...);
 	return ret;
