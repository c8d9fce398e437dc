// SPDX-License-Identifier: GPL-2.0
#include <sys/mman.h>

#include "chaos.h"
#include "scratch.h"

#ifndef MADV_PAGEOUT
#define MADV_PAGEOUT	21	/* 5.4 */
#endif

#define SWAP_BYTES	(256ull << 20)

static int setup(struct run *r, char *why)
{
	char dev[64];

	(void)r;
	return pin_scratch_swap(SWAP_BYTES, dev, sizeof(dev), why);
}

static void memory(const struct pin_mem *m, uint64_t noise)
{
	(void)noise;
	madvise((void *)((uintptr_t)m->addr & ~(m->kernel->page_size - 1)),
		m->pages * m->kernel->page_size, MADV_PAGEOUT);
}

const struct pin_chaos pin_chaos_swap = {
	.name = "swap",
	.help = "pages swapped out, to a zram device of our own",
	.scope = CHAOS_MEMORY,
	.setup = setup,
	.memory = memory,
};
