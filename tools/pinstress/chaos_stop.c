// SPDX-License-Identifier: GPL-2.0
#include <signal.h>

#include "chaos.h"

/* Go on those that were stopped before, then stop one. */
static void act(struct run *r, uint64_t noise)
{
	struct line *l;

	for (unsigned int i = 0; i < r->ledger->nr_lines; i++) {
		l = &r->ledger->line[i];
		if (l->stopped && l->pid > 0) {
			kill(l->pid, SIGCONT);
			l->stopped = false;
		}
	}
	l = chaos_victim(r, noise);
	if (l && !kill(l->pid, SIGSTOP))
		l->stopped = true;
}

const struct pin_chaos pin_chaos_stop = {
	.name = "stop",
	.help = "SIGSTOP and SIGCONT of workers, wherever they are",
	.scope = CHAOS_WORKERS,
	.pause_ms = 20,
	.act = act,
};
