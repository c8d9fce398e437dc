// SPDX-License-Identifier: GPL-2.0
#include <sys/prctl.h>
#include <sys/types.h>
#include <unistd.h>

#include "chaos.h"

#define CHILDREN	4
#define LIFE_NS		(30 * MSEC)

/*
 * Children that inherit everything, pins included, and outlive what the parent
 * does next. Until the last one is gone, nothing it inherited is released.
 */
static void memory(const struct pin_mem *m, uint64_t noise)
{
	(void)m;
	__atomic_store_n(&worker_fork_inherits, true, __ATOMIC_RELEASE);
	prctl(PR_SET_NAME, CHAOS_HEIR);
	for (unsigned int i = 0; i <= noise % CHILDREN; i++) {
		if (!fork()) {
			pin_sleep_ns(noise % LIFE_NS);
			_exit(0);
		}
	}
	prctl(PR_SET_NAME, WORKER_NAME);
	__atomic_store_n(&worker_fork_inherits, false, __ATOMIC_RELEASE);
}

const struct pin_chaos pin_chaos_fork = {
	.name = "fork",
	.help = "children that inherit the pins and outlive them",
	.scope = CHAOS_MEMORY,
	.memory = memory,
};
