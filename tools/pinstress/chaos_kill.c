// SPDX-License-Identifier: GPL-2.0
#include <signal.h>

#include "chaos.h"

static void act(struct run *r, uint64_t noise)
{
	struct line *l = chaos_victim(r, noise);

	if (!l)
		return;
	l->killed = true;
	kill(l->pid, SIGKILL);
}

const struct pin_chaos pin_chaos_kill = {
	.name = "kill",
	.help = "SIGKILL of workers, which are replaced",
	.scope = CHAOS_WORKERS,
	.kills = true,
	.pause_ms = 200,
	.act = act,
};
