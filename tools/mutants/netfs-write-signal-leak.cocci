// SPDX-License-Identifier: GPL-2.0
// what: netfs: an unbuffered or direct write that a signal ends between two
//   of its parts leaves its pages pinned.
// kind: S
// files: fs/netfs/direct_write.c
// versions: 7.3-
// counter: +N/+0, -EINTR
// log: hung task: the eviction of the inode, as at unmount, waits for the
//   request that is never freed
// tests: io_error_test=9p.waits.*
// functions: netfs_unbuffered_write_iter_locked netfs_unbuffered_write
//   v9fs_evict_inode netfs_wait_for_outstanding_io

@@
symbol ret, wreq;
@@
 netfs_unbuffered_write_iter_locked(...)
 {
 <...
 	ret = netfs_unbuffered_write(wreq);
+	if (ret)
+		return ret;
 ...>
 }
