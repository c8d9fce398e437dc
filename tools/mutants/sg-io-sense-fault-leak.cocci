// SPDX-License-Identifier: GPL-2.0
// what: SG_IO: when a command fails and its sense data cannot be given to the
//   process, the data buffer stays pinned.
// kind: S
// files: drivers/scsi/scsi_ioctl.c
// versions: 6.5-
// counter: +N/+0, -EFAULT
// tests: io_error_test bad_input_test matrix_test inflight_test geometry_test
//   teardown_test limits_test rlimit_test fail_nth_test
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
