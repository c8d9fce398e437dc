// SPDX-License-Identifier: GPL-2.0
#include <signal.h>

#include "chaos.h"

static void act(struct run *r, uint64_t noise)
{
	struct line *l = chaos_victim(r, noise);

	if (l)
		kill(l->pid, SIGUSR1);
}

const struct pin_chaos pin_chaos_signal = {
	.name = "signal",
	.help = "signals with a handler, during system calls",
	.scope = CHAOS_WORKERS,
	.interrupts = true,
	.pause_ms = 3,
	.act = act,
};
