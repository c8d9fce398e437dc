/* SPDX-License-Identifier: GPL-2.0 */
/* SCSI devices of scsi_debug's, for whoever needs one. */
#ifndef PIN_SCSI_H
#define PIN_SCSI_H

#include <stdbool.h>

/* Is the SCSI device whose folder below /sys is @dir one of scsi_debug's? */
bool pin_scsi_is_debug(const char *dir);

/*
 * scsi_debug, with a disk; loaded for it, and unloaded at the end. 0, or -errno
 * and @why.
 */
int pin_scsi_debug(char *why);

#endif
