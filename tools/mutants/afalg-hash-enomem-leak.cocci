// SPDX-License-Identifier: GPL-2.0
// what: AF_ALG: when there is no memory for the hash, the pages that were to
//   be hashed stay pinned.
// kind: S
// files: crypto/algif_hash.c
// versions: 6.5-
// counter: +N/+0
// tests: fail_nth_test=af_alg_hash.* limits_test=*.af_alg_hash
// functions: hash_sendmsg

@@
expression err, sk, ctx;
@@
 hash_sendmsg(...)
 {
 <...
 	err = hash_alloc_result(sk, ctx);
 	if (err)
-		goto unlock_free;
+		goto unlock_free_result;
 ...>
 }
