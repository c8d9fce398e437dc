// SPDX-License-Identifier: GPL-2.0
// what: SCSI and NVMe commands of user space: a part of the buffer that is
//   pinned, but no longer fits into the command, as it would have too many
//   segments, stays pinned.
// kind: S
// files: block/blk-map.c
// versions: 6.5-6.16
// counter: +N/+less, -EINVAL
// tests: io_error_test=*.segments*
// functions: bio_map_user_iov blk_rq_map_user_iov

@@
identifier ret, out_unmap;
expression rq, bio;
@@
 bio_map_user_iov(...)
 {
 <...
 	ret = blk_rq_append_bio(rq, bio);
 	if (ret)
-		goto out_unmap;
+	{
+		blk_mq_map_bio_put(bio);
+		return ret;
+	}
 ...>
 }
