// SPDX-License-Identifier: GPL-2.0
#include <sys/mman.h>

#include "chaos.h"

#ifndef MREMAP_DONTUNMAP
#define MREMAP_DONTUNMAP	4	/* 5.7 */
#endif

/* Away, and every other time back; the address stays taken all the time. */
static void memory(const struct pin_mem *m, uint64_t noise)
{
	size_t len;
	char *start = chaos_range(m, noise, &len), *away;

	away = mremap(start, len, len, MREMAP_MAYMOVE | MREMAP_DONTUNMAP);
	if (away == MAP_FAILED)
		return;
	if (noise & (1ull << 20) &&
	    mremap(away, len, len, MREMAP_MAYMOVE | MREMAP_FIXED, start) != MAP_FAILED)
		return;
	munmap(away, len);
}

const struct pin_chaos pin_chaos_mremap = {
	.name = "mremap",
	.help = "pages moved to another address and back",
	.scope = CHAOS_MEMORY,
	.memory = memory,
};
