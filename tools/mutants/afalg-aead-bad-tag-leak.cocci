// SPDX-License-Identifier: GPL-2.0
// what: AF_ALG: memory that was to get what an authenticated cipher decrypts
//   stays pinned when the tag is wrong.
// kind: S
// files: crypto/algif_aead.c
// versions: 6.5-
// counter: +N/+0
// tests: matrix_test=af_alg_aead.* bad_input_test io_error_test
// functions: _aead_recvmsg

@@
expression areq;
identifier err;
@@
 _aead_recvmsg(...)
 {
 ... when any
 free:
-	af_alg_free_resources(areq);
+	if (err != -EBADMSG)
+		af_alg_free_resources(areq);
 ...
 	return err ? err : ...;
 }
