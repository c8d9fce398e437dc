// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "consumer.h"
#include "inject.h"
#include "scratch.h"

#define DEBUGFS	"/sys/kernel/debug/"

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
};

int pin_inject_probe(char *why)
{
	if (!access("/proc/self/fail-nth", W_OK) && !access(DEBUGFS "failslab", X_OK) &&
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
