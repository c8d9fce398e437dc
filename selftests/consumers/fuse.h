/* SPDX-License-Identifier: GPL-2.0 */
#ifndef PIN_FUSE_H
#define PIN_FUSE_H

#include "consumer.h"

#define PIN_FUSE_REQUEST_PAGES	32	/* FUSE_DEFAULT_MAX_PAGES_PER_REQ */

/*
 * A file for direct I/O whose server, which ends with the last descriptor of it,
 * answers each transfer with EIO. Returns the descriptor, or -errno and @why.
 */
int pin_fuse_refusing_file(const struct pin_kernel *k, char *why);

/*
 * The same, whose server writes @m, a shared mapping of a file, but for its first
 * @dirty bytes, back to that file before it answers a read.
 */
int pin_fuse_cleaning_file(const struct pin_mem *m, size_t dirty, char *why);

#endif
