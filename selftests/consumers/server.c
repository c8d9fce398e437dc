// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "server.h"

#ifndef SYS_fsopen
#define SYS_fsopen	430
#define SYS_fsconfig	431
#define SYS_fsmount	432
#endif
#ifndef SYS_close_range
#define SYS_close_range	436
#endif

/* The kernel's, for headers that lack them. */
#define SET_STRING	1	/* FSCONFIG_SET_STRING */
#define CREATE		6	/* FSCONFIG_CMD_CREATE */

pid_t pin_server_start(int fd, void (*serve)(void *arg), void *arg)
{
	const pid_t client = getpid();
	pid_t pid = fork();

	if (pid)
		return pid < 0 ? -errno : pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	/* Nothing of the client's is to stay open for us. */
	if (getppid() == client && dup2(fd, 0) == 0 && !syscall(SYS_close_range, 1, ~0u, 0))
		serve(arg);
	_exit(0);
}

int pin_server_fs(const char *type, const char *const options[][2], size_t nr)
{
	int fs = syscall(SYS_fsopen, type, 1), root = -1, err = 0;

	if (fs < 0)
		return -errno;
	for (size_t i = 0; i < nr && !err; i++) {
		if (syscall(SYS_fsconfig, fs, SET_STRING, options[i][0], options[i][1], 0))
			err = -errno;
	}
	if (!err && !syscall(SYS_fsconfig, fs, CREATE, NULL, NULL, 0))
		root = syscall(SYS_fsmount, fs, 1, 0);
	if (!err && root < 0)
		err = -errno;
	close(fs);
	return err ? err : root;
}
