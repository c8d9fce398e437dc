/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What file systems share whose server is a process of our own: it alone has the
 * connection, so that either side gets free if the other is killed, and they are
 * never mounted where anybody could see them.
 */
#ifndef PIN_SERVER_H
#define PIN_SERVER_H

#include <sys/types.h>

/* What it says when data is to be transferred. */
enum pin_answer {
	PIN_DOES_ALL,
	PIN_REFUSES,		/* EIO */
	PIN_REFUSES_LATER,	/* the same, but for what is at the start of the file */
	PIN_HALVES,		/* half of what each request asks for */
	PIN_ENDS,		/* nothing, it ends */
	PIN_IS_MUTE,		/* nothing, and lives on */
	PIN_KEEPS_ONE,		/* all, but what is first asked for of later parts of the file */
};

/*
 * Fork a process that calls serve(arg), where @fd is descriptor 0 and nothing else is open,
 * and ends with that, or with its parent. Returns its pid or -errno.
 */
pid_t pin_server_start(int fd, void (*serve)(void *arg), void *arg);

/* A descriptor of the root of a file system @type with these @nr options, or -errno. */
int pin_server_fs(const char *type, const char *const options[][2], size_t nr);

#endif
