// SPDX-License-Identifier: GPL-2.0
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "chaos.h"

#define SPLIT	"/sys/kernel/debug/split_huge_pages"

/*
 * Huge pages: their mapping always, the folio itself where debugfs can be asked
 * to; the kernel refuses that while it is pinned.
 */
static void memory(const struct pin_mem *m, uint64_t noise)
{
	char order[96];
	size_t len;
	char *start = chaos_range(m, noise, &len);

	mprotect(start, m->kernel->page_size, PROT_READ);
	mprotect(start, m->kernel->page_size, PROT_READ | PROT_WRITE);
	snprintf(order, sizeof(order), "%d,0x%lx,0x%lx", getpid(), (unsigned long)m->addr,
		 (unsigned long)m->addr + m->len);
	chaos_write(SPLIT, order);
}

const struct pin_chaos pin_chaos_split = {
	.name = "split",
	.help = "transparent huge pages split",
	.scope = CHAOS_MEMORY,
	.memory = memory,
};
