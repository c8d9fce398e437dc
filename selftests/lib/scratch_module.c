// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "consumer.h"
#include "scratch.h"

#define MAX_OPTIONS	8

/*
 * What must not be unloaded, and so what it depends on: Linux 7.3.4 panicked, as
 * connections of rds_rdma were still there when its code was gone.
 */
#define RESIDENT "rds_rdma"

static bool stays(const char *name)
{
	char path[128];

	snprintf(path, sizeof(path), "/sys/module/%s/holders/" RESIDENT, name);
	return !strcmp(name, RESIDENT) || !access(path, F_OK);
}

static int unload(const char *name)
{
	if (stays(name))
		return -ENOENT;
	/* ENOSYS: this kernel takes no modules, so there was none. */
	if (!syscall(SYS_delete_module, name, O_NONBLOCK) || errno == ENOSYS)
		return 0;
	return -errno;
}

static bool loaded(const char *name)
{
	char path[128];

	snprintf(path, sizeof(path), "/sys/module/%s", name);
	return !access(path, F_OK);
}

/* The exit status of modprobe, or -errno. */
static int modprobe(const char *name, const char *const *options)
{
	const char *argv[MAX_OPTIONS + 4] = { "modprobe", "-q", name };
	int status, n = 3;
	pid_t pid;

	for (int i = 0; i < MAX_OPTIONS && options && options[i]; i++)
		argv[n++] = options[i];
	pid = fork();
	if (!pid) {
		int null = open("/dev/null", O_RDWR);

		prctl(PR_SET_PDEATHSIG, SIGKILL);
		pin_scratch_disown();
		dup2(null, STDOUT_FILENO);
		dup2(null, STDERR_FILENO);
		setenv("PATH", "/usr/sbin:/sbin:/usr/bin:/bin", 1);
		execvp(argv[0], (char *const *)argv);
		_exit(127);
	}
	if (pid < 0)
		return -errno;
	while (waitpid(pid, &status, 0) < 0) {
		if (errno != EINTR)
			return -errno;
	}
	return WIFEXITED(status) ? WEXITSTATUS(status) : -EINTR;
}

int pin_scratch_module(const char *name, const char *config,
		       const char *const *options, char *why)
{
	int err;

	if (loaded(name))
		return 1;
	if (geteuid())
		return pin_why(why, -EPERM, "module %s is not loaded: modprobe %s as root (kernel option %s)",
			       name, name, config);
	err = pin_scratch_undo(unload, name, why);
	if (err)
		return err;
	if (modprobe(name, options))
		return pin_why(why, -ENOENT, "no module %s that can be loaded: kernel option %s, or modprobe %s says why",
			       name, config, name);
	return loaded(name) ? 0 : 1;	/* or built in */
}
