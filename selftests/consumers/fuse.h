/* SPDX-License-Identifier: GPL-2.0 */
#ifndef PIN_FUSE_H
#define PIN_FUSE_H

#include "consumer.h"
#include "server.h"

#define PIN_FUSE_REQUEST_PAGES	32	/* FUSE_DEFAULT_MAX_PAGES_PER_REQ */

/*
 * A file for direct I/O, and by AIO and io_uring @async: all requests are sent before
 * the first is answered. Its server ends with the last descriptor of it. Returns the
 * descriptor, or -errno and @why.
 */
int pin_fuse_failing_file(const struct pin_kernel *k, enum pin_answer answer, bool async,
			  char *why);

/*
 * The same, whose server does all, but writes @m, a shared mapping of a file, but for its first
 * @dirty bytes, back to that file before it answers a read.
 */
int pin_fuse_cleaning_file(const struct pin_mem *m, size_t dirty, char *why);

#endif
