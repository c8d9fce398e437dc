// SPDX-License-Identifier: GPL-2.0
#include <sys/mman.h>

#include "chaos.h"

#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE	25	/* 6.1 */
#endif

/* The whole buffer: the kernel takes what huge pages fit into. */
static void memory(const struct pin_mem *m, uint64_t noise)
{
	(void)noise;
	if (!m->map)
		return;
	madvise(m->map, m->map_len, MADV_HUGEPAGE);
	madvise(m->map, m->map_len, MADV_COLLAPSE);
}

const struct pin_chaos pin_chaos_collapse = {
	.name = "collapse",
	.help = "madvise(MADV_COLLAPSE): small pages become huge",
	.scope = CHAOS_MEMORY,
	.memory = memory,
};
