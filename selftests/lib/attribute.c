// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "attribute.h"

#define MAX_ARGS 128

static char *own_path(char *exe, size_t size)
{
	ssize_t len = readlink("/proc/self/exe", exe, size - 1);

	exe[len > 0 ? len : 0] = '\0';
	return exe;
}

int pin_exec_pintrace(char *const argv[])
{
	static const char *const beside[] = { "pintrace", "../../bin/pintrace" };
	const char *named = getenv("PINTRACE");
	char exe[4096], path[4200];
	char *slash = strrchr(own_path(exe, sizeof(exe)), '/');

	if (named) {
		execvp(named, argv);
		return -errno;
	}
	for (unsigned int i = 0; slash && i < 2; i++) {
		snprintf(path, sizeof(path), "%.*s/%s", (int)(slash - exe), exe, beside[i]);
		execv(path, argv);
	}
	execvp("pintrace", argv);
	return -errno;
}

static void __attribute__((noreturn)) be_pintrace(int report, int errors, char *const argv[])
{
	static const char *const own[] = { "pintrace", "--stacks", "--held", "-o" };
	char *args[MAX_ARGS], output[32], exe[4096];
	int null = open("/dev/null", O_RDWR), n = 0;

	prctl(PR_SET_PDEATHSIG, SIGTERM);
	for (unsigned int i = 0; i < sizeof(own) / sizeof(own[0]); i++)
		args[n++] = (char *)own[i];
	snprintf(output, sizeof(output), "/proc/self/fd/%d", report);
	args[n++] = output;
	args[n++] = (char *)"--";
	args[n++] = own_path(exe, sizeof(exe));
	for (unsigned int i = 1; argv[i] && n < MAX_ARGS - 1; i++)
		args[n++] = argv[i];
	args[n] = NULL;
	dup2(null, STDOUT_FILENO);
	dup2(errors, STDERR_FILENO);
	setenv("PIN_LOCK", "/dev/null", 1);
	dprintf(STDERR_FILENO, "pintrace: %s: build it with make, or name it in $PINTRACE\n",
		strerror(-pin_exec_pintrace(args)));
	_exit(127);
}

/* Returns the number of lines; of pintrace's own only, if @own. */
static unsigned int say_file(int fd, bool own, void (*say)(void *arg, const char *line),
			     void *arg)
{
	FILE *f = fdopen(fd, "r");
	unsigned int n = 0;
	char line[1024];

	if (!f) {
		close(fd);
		return 0;
	}
	rewind(f);
	while (fgets(line, sizeof(line), f)) {
		line[strcspn(line, "\n")] = '\0';
		if (!line[0] || (own && strncmp(line, "pintrace: ", 10)))
			continue;
		say(arg, line);
		n++;
	}
	fclose(f);
	return n;
}

int pin_attribute(char *const argv[], void (*say)(void *arg, const char *line), void *arg)
{
	int report = memfd_create("report", 0), errors = memfd_create("errors", MFD_CLOEXEC);
	int status = 0;
	pid_t pid;

	if (report < 0 || errors < 0)
		return -errno;
	fflush(NULL);
	pid = fork();
	if (pid < 0)
		return -errno;
	if (!pid)
		be_pintrace(report, errors, argv);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (say_file(report, false, say, arg)) {
		close(errors);
		return 0;
	}
	say_file(errors, true, say, arg);
	return -ENOENT;
}
