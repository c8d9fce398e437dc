// SPDX-License-Identifier: GPL-2.0
#include <fcntl.h>
#include <stdio.h>
#include <sys/types.h>
#include <unistd.h>

#include "chaos.h"
#include "inject.h"

#define MOST	24	/* allocations until one fails */

static int probe(const struct pin_kernel *k, char *why)
{
	(void)k;
	return pin_inject_probe(why);
}

static int setup(struct run *r, char *why)
{
	(void)r;
	return pin_inject_setup(why);
}

/*
 * By the thread beside: one of the next allocations of the worker's own thread
 * fails. What the call returns then is its own business.
 */
static void memory(const struct pin_mem *m, uint64_t noise)
{
	char path[64], n[16];

	(void)m;
	if (gettid() == getpid())
		return;
	snprintf(path, sizeof(path), "/proc/self/task/%d/fail-nth", getpid());
	snprintf(n, sizeof(n), "%u", (unsigned int)(1 + noise % MOST));
	chaos_write(path, n);
}

/* One that is left over when the step ends strikes the next one. */
const struct pin_chaos pin_chaos_fail = {
	.name = "fail",
	.help = "allocations of memory in the kernel fail (fault injection)",
	.scope = CHAOS_MEMORY,
	.starves = true,
	.probe = probe,
	.setup = setup,
	.memory = memory,
};
