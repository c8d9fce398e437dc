/* SPDX-License-Identifier: GPL-2.0 */
/* SCSI devices of scsi_debug's, for whoever needs one. */
#ifndef PIN_SCSI_H
#define PIN_SCSI_H

#include <stdbool.h>
#include <stddef.h>

#include "consumer.h"

/* Is the SCSI device whose folder below /sys is @dir one of scsi_debug's? */
bool pin_scsi_is_debug(const char *dir);

/*
 * scsi_debug, with a disk; loaded for it, and unloaded at the end. 0, or -errno
 * and @why.
 */
int pin_scsi_debug(char *why);

/*
 * Read into @m by /dev/sgN, directly, from behind the end of that disk: what comes of it
 * in *@result. -errno and @why if it cannot be tried here.
 */
int pin_scsi_read_beyond(const struct pin_mem *m, long *result, char *why);

/* The same by the disk itself, and what it says of that has nowhere to go. */
int pin_scsi_no_sense(const struct pin_mem *m, long *result, char *why);

/* So many segments a command to that disk may have; or -errno and @why. */
int pin_scsi_segments(const struct pin_kernel *k, char *why);

/*
 * Write @m to a tape that answers with an error: what comes of it in *@result. -errno and
 * @why if it cannot be tried here.
 */
int pin_scsi_tape_refuses(const struct pin_mem *m, long *result, char *why);

/*
 * The same, with /dev/sgN of that disk, which takes @ns, less than a second, for a
 * command from now on.
 */
int pin_scsi_slow_sg(unsigned long ns, char *why);

/*
 * That disk, open for direct I/O, which takes @requests at a time and no more (4 or above).
 * A descriptor, or -errno and @why.
 */
int pin_scsi_narrow_disk(unsigned int requests, char *why);

/* Read the first @len bytes of that disk, directly. 0, or -errno. */
long pin_scsi_sg_read(void *data, size_t len);

#endif
