// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "chaos.h"

#define COMPACT	"/proc/sys/vm/compact_memory"

static int probe(const struct pin_kernel *k, char *why)
{
	(void)k;
	if (!access(COMPACT, W_OK))
		return 0;
	return pin_why(why, -errno, "%s: %s: kernel option COMPACTION, and root", COMPACT,
		       strerror(errno));
}

static void act(struct run *r, uint64_t noise)
{
	(void)r;
	(void)noise;
	chaos_write(COMPACT, "1");
}

const struct pin_chaos pin_chaos_compact = {
	.name = "compact",
	.help = "compaction of all memory",
	.scope = CHAOS_MACHINE,
	.loosens = true,
	.pause_ms = 100,
	.probe = probe,
	.act = act,
};
