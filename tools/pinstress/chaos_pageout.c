// SPDX-License-Identifier: GPL-2.0
#include <sys/mman.h>

#include "chaos.h"

#ifndef MADV_PAGEOUT
#define MADV_PAGEOUT	21
#endif

static void memory(const struct pin_mem *m, uint64_t noise)
{
	size_t len;
	char *start = chaos_range(m, noise, &len);

	madvise(start, len, MADV_PAGEOUT);
}

const struct pin_chaos pin_chaos_pageout = {
	.name = "pageout",
	.help = "madvise(MADV_PAGEOUT): pages reclaimed",
	.scope = CHAOS_MEMORY,
	.memory = memory,
};
