/* SPDX-License-Identifier: GPL-2.0 */
#ifndef PIN_P9_H
#define PIN_P9_H

#include "consumer.h"
#include "server.h"

#define PIN_P9_REQUEST	(32u << 10)	/* bytes of data in one request at most */
#define PIN_P9_BYTE	0x9b		/* all that the file has, and may be written there */

struct pin_p9_server {
	pid_t pid;
	volatile bool *asked;	/* set when it is, to read or write; the caller's, shared */
};

/*
 * A file for direct I/O, by @server (or NULL), of whom @asked is given (or NULL) and the pid
 * is returned. It ends with the last descriptor of the file. Returns that, or -errno and
 * @why.
 */
int pin_p9_file(enum pin_answer answer, struct pin_p9_server *server, char *why);

#endif
