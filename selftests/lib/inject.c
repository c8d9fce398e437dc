// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "consumer.h"
#include "inject.h"
#include "proc.h"
#include "scratch.h"

#define DEBUGFS		"/sys/kernel/debug/"
#define FAIL_NTH	"/proc/self/fail-nth"
#define MARK		"/proc/self/make-it-fail"
#define SLAB_TIMES	DEBUGFS "failslab/times"
#define PAGE_TIMES	DEBUGFS "fail_page_alloc/times"
#define TRIES		3

/* Settings of the kernel's fault injection; what is not there is not there. */
static const struct {
	const char *path, *value;
} injection[] = {
	{ DEBUGFS "failslab/verbose", "0" },
	{ DEBUGFS "failslab/ignore-gfp-wait", "N" },
	{ DEBUGFS "failslab/cache-filter", "N" },
	{ DEBUGFS "fail_page_alloc/verbose", "0" },
	{ DEBUGFS "fail_page_alloc/ignore-gfp-wait", "N" },
	{ DEBUGFS "fail_page_alloc/ignore-gfp-highmem", "N" },
	{ DEBUGFS "fail_page_alloc/min-order", "0" },
	{ DEBUGFS "fail_usercopy/verbose", "0" },
	/* That of iommufd's own test, by which it asks for memory. */
	{ DEBUGFS "fail_iommufd/verbose", "0" },
	/* For those that fail behind the n-th: of no thread that is not marked. */
	{ SLAB_TIMES, "0" },
	{ DEBUGFS "failslab/task-filter", "Y" },
	{ DEBUGFS "failslab/interval", "1" },
	{ DEBUGFS "failslab/space", "0" },
	{ DEBUGFS "failslab/probability", "100" },
	{ PAGE_TIMES, "0" },
	{ DEBUGFS "fail_page_alloc/task-filter", "Y" },
	{ DEBUGFS "fail_page_alloc/interval", "1" },
	{ DEBUGFS "fail_page_alloc/space", "0" },
	{ DEBUGFS "fail_page_alloc/probability", "100" },
};

int pin_inject_probe(char *why)
{
	if (!access(FAIL_NTH, W_OK) && !access(DEBUGFS "failslab", X_OK) &&
	    !access(DEBUGFS "fail_page_alloc", X_OK))
		return 0;
	return pin_why(why, -EOPNOTSUPP, "no fault injection: kernel options FAULT_INJECTION, FAULT_INJECTION_DEBUG_FS, FAILSLAB and FAIL_PAGE_ALLOC (no distribution's kernel has them), debugfs mounted, and root");
}

int pin_inject_setup(char *why)
{
	int err = pin_inject_probe(why);

	for (size_t i = 0; !err && i < sizeof(injection) / sizeof(injection[0]); i++) {
		if (!access(injection[i].path, F_OK))
			err = pin_scratch_setting(injection[i].path, injection[i].value, why);
	}
	return err;
}

static int write_number(int fd, unsigned int value)
{
	char text[16];
	int len = snprintf(text, sizeof(text), "%u", value);

	/* Copying the number may be what fails. */
	for (int i = 0; i < TRIES; i++) {
		if (write(fd, text, len) == len)
			return 0;
	}
	return -errno;
}

static int set_times(const char *path, unsigned int times)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	int err = fd < 0 ? -errno : write_number(fd, times);

	if (fd >= 0)
		close(fd);
	return err;
}

int pin_inject_nth(struct pin_inject *in, unsigned int n, unsigned int more)
{
	int err = 0;

	in->times = more ? more + 1 : 0;
	/*
	 * The one that fail-nth chooses is counted, too. And a thread that is marked is
	 * not to open files, which takes memory.
	 */
	if (more)
		err = set_times(SLAB_TIMES, in->times) ?: set_times(PAGE_TIMES, in->times) ?:
		      write_number(in->mark, 1);
	return err ?: write_number(in->nth, n);
}

bool pin_inject_end(struct pin_inject *in)
{
	char text[16] = "";
	/* What is left of it: 0 if it has struck, and not here. */
	bool hit = pread(in->nth, text, sizeof(text) - 1, 0) > 0 && !strtoul(text, NULL, 10);

	write_number(in->nth, 0);
	write_number(in->mark, 0);
	/* A worker that was made meanwhile is marked, too, and counts nothing before it. */
	if (in->times)
		hit |= pin_read_number(SLAB_TIMES, 0) != in->times ||
		       pin_read_number(PAGE_TIMES, 0) != in->times;
	return hit;
}

int pin_inject_open(struct pin_inject *in, char *why)
{
	in->nth = open(FAIL_NTH, O_RDWR | O_CLOEXEC);
	if (in->nth < 0)
		return pin_why(why, -errno, FAIL_NTH ": %s", strerror(errno));
	in->mark = open(MARK, O_RDWR | O_CLOEXEC);
	return in->mark < 0 ? pin_why(why, -errno, MARK ": %s", strerror(errno)) : 0;
}

void pin_inject_verbose(const char *value)
{
	int fd;

	for (size_t i = 0; i < sizeof(injection) / sizeof(injection[0]); i++) {
		if (!strstr(injection[i].path, "verbose"))
			continue;
		fd = open(injection[i].path, O_WRONLY | O_CLOEXEC);
		if (fd >= 0) {
			if (write(fd, value, 1) != 1)
				perror(injection[i].path);
			close(fd);
		}
	}
}
