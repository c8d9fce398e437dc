// SPDX-License-Identifier: GPL-2.0
// what: /dev/sgN: a direct command that is said to transfer in both directions
//   pins its memory for reading only, though the device writes to it.
// kind: S
// files: drivers/scsi/sg.c
// versions: 6.5-
// counter: +N/+N where -EFAULT was due: memory that is mapped read-only
// data: written to where it must not be
// tests: matrix_test=sg_*,bsg_* geometry_test=sg_* io_error_test=sg.*,sd.*
//   inflight_test=sg.*
// equivalent: the direction is asked for with a vector only, and a vector is never
//   direct: sg_start_req() maps that by copying. One buffer goes by the request's own
//   direction.
// functions: sg_start_req

@@
expression hp;
@@
 sg_start_req(...)
 {
 <...
-	hp->dxfer_direction == SG_DXFER_TO_DEV ? ITER_SOURCE : ITER_DEST
+	hp->dxfer_direction != SG_DXFER_FROM_DEV ? ITER_SOURCE : ITER_DEST
 ...>
 }
