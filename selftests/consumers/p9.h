/* SPDX-License-Identifier: GPL-2.0 */
#ifndef PIN_P9_H
#define PIN_P9_H

#include "consumer.h"
#include "server.h"

#define PIN_P9_REQUEST	(32u << 10)	/* bytes of data in one request at most */
#define PIN_P9_BYTE	0x9b		/* all that the file has, and may be written there */

/*
 * A file for direct I/O. Its server ends with the last descriptor of it. Returns the
 * descriptor and in *@server (unless NULL) who serves it, or -errno and @why.
 */
int pin_p9_file(const struct pin_kernel *k, enum pin_answer answer, pid_t *server, char *why);

#endif
