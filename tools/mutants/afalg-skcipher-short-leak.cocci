// SPDX-License-Identifier: GPL-2.0
// what: AF_ALG: memory for less than a block of a cipher, where there is more
//   to come, is refused, but stays pinned.
// kind: S
// files: crypto/algif_skcipher.c
// versions: 6.5-
// counter: +N/+0, EINVAL
// tests: bad_input_test=af_alg*
// functions: _skcipher_recvmsg

@@
expression len, err;
@@
 _skcipher_recvmsg(...)
 {
 <...
 	if (!len) {
-		err = -EINVAL;
-		goto free;
+		return -EINVAL;
 	}
 ...>
 }
