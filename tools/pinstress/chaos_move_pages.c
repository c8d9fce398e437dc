// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <numa.h>
#include <numaif.h>
#include <string.h>

#include "chaos.h"

#define BATCH	64

static int probe(const struct pin_kernel *k, char *why)
{
	(void)k;
	if (numa_available() >= 0 && numa_num_configured_nodes() > 1)
		return 0;
	return pin_why(why, -EOPNOTSUPP, "one NUMA node only: a VM can have two (pinvm)");
}

/* By pages, or by a policy that moves what it finds. */
static void memory(const struct pin_mem *m, uint64_t noise)
{
	int node[BATCH], status[BATCH], target = noise >> 20 & 1;
	unsigned long mask = 1ul << target;
	void *page[BATCH];
	size_t len, i;
	char *start = chaos_range(m, noise, &len);

	if (noise & (1ull << 21)) {
		mbind(start, len, MPOL_PREFERRED, &mask, 8 * sizeof(mask), MPOL_MF_MOVE);
		return;
	}
	for (i = 0; i < BATCH && i * m->kernel->page_size < len; i++) {
		page[i] = start + i * m->kernel->page_size;
		node[i] = target;
	}
	numa_move_pages(0, i, page, node, status, MPOL_MF_MOVE);
}

const struct pin_chaos pin_chaos_move_pages = {
	.name = "move_pages",
	.help = "pages moved between NUMA nodes",
	.scope = CHAOS_MEMORY,
	.probe = probe,
	.memory = memory,
};
