// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "chaos.h"
#include "scratch.h"

#define MAX_CPUS	256
#define ONLINE		"/sys/devices/system/cpu/cpu%u/online"

static unsigned int cpu[MAX_CPUS], nr_cpus;

/* Those that can go, and are there now, come back in the end. */
static int setup(struct run *r, char *why)
{
	char path[64];
	int err;

	(void)r;
	for (unsigned int i = 1; i < MAX_CPUS; i++) {
		snprintf(path, sizeof(path), ONLINE, i);
		if (access(path, F_OK))
			continue;
		err = pin_scratch_setting(path, "1", why);
		if (err)
			return err;
		cpu[nr_cpus++] = i;
	}
	if (nr_cpus)
		return 0;
	return pin_why(why, -EOPNOTSUPP, "no CPU can be taken away: kernel option HOTPLUG_CPU, and two CPUs");
}

static void act(struct run *r, uint64_t noise)
{
	char path[64];

	(void)r;
	snprintf(path, sizeof(path), ONLINE, cpu[noise % nr_cpus]);
	chaos_write(path, noise & (1ull << 40) ? "1" : "0");
}

const struct pin_chaos pin_chaos_cpu = {
	.name = "cpu",
	.help = "CPUs taken away and brought back",
	.scope = CHAOS_MACHINE,
	.pause_ms = 300,
	.setup = setup,
	.act = act,
};
