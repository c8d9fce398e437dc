// SPDX-License-Identifier: GPL-2.0
// what: SG_IO: when a command fails and its sense data cannot be given to the
//   process, the data buffer stays pinned.
// kind: S
// files: drivers/scsi/scsi_ioctl.c
// versions: 6.5-
// counter: +N/+0, -EFAULT
// tests: matrix_test=sg_*,bsg_* geometry_test=sg_* io_error_test=sg.*,sd.*
//   inflight_test=sg.*
// functions: scsi_complete_sghdr_rq

@@
symbol ret;
@@
 scsi_complete_sghdr_rq(...)
 {
 <...
-	ret = -EFAULT;
+	return -EFAULT;
 ...>
 }
