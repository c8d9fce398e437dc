// SPDX-License-Identifier: GPL-2.0
// what: AF_ALG: an asynchronous request that fails, as for a wrong tag,
//   forgets the memory that was to get the result, which stays pinned.
// kind: S
// files: crypto/af_alg.c
// versions: 6.5-
// counter: +N/+0, -EBADMSG or another error by aio
// tests: bad_input_test=af_alg* matrix_test=af_alg_aead_aio.*
// functions: af_alg_async_cb af_alg_free_resources

@@
identifier areq, err;
@@
 af_alg_async_cb(void *data, int err)
 {
 <...
+	if (err)
+		INIT_LIST_HEAD(&areq->rsgl_list);
 	af_alg_free_resources(areq);
 ...>
 }
