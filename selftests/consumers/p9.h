/* SPDX-License-Identifier: GPL-2.0 */
#ifndef PIN_P9_H
#define PIN_P9_H

#include "consumer.h"
#include "server.h"

#define PIN_P9_REQUEST	(32u << 10)	/* bytes of data in one request at most */
#define PIN_P9_BYTE	0x9b		/* all that the file has, and may be written there */

/* Between it and the caller, whose it is, shared. */
struct pin_p9_talk {
	volatile bool asked;	/* to read or write what it does not answer */
	volatile bool go_on;	/* what it has kept it is to answer now */
};

struct pin_p9_server {
	pid_t pid;
	struct pin_p9_talk *talk;
};

/*
 * A file for direct I/O, by @server (or NULL), of whom @talk is given and the pid is
 * returned. It ends with the last descriptor of the file. Returns that, or -errno and
 * @why.
 */
int pin_p9_file(enum pin_answer answer, struct pin_p9_server *server, char *why);

#endif
