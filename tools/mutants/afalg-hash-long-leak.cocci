// SPDX-License-Identifier: GPL-2.0
// what: AF_ALG: of data to be hashed that takes more than one scatterlist,
//   all but the last part stay pinned.
// kind: S
// files: crypto/algif_hash.c
// versions: 6.5-
// counter: +N/+less
// tests: matrix_test=af_alg_* geometry_test=af_alg_*
//   bad_input_test=af_alg_*
// functions: hash_sendmsg

@@
identifier ctx, copied, len;
@@
 hash_sendmsg(...)
 {
 <...
 	copied += len;
+	if (!msg_data_left(msg))
 	af_alg_free_sg(&ctx->sgl);
 ...>
 }
