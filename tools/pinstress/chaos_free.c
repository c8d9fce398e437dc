// SPDX-License-Identifier: GPL-2.0
#include <sys/mman.h>

#include "chaos.h"

#ifndef MADV_FREE
#define MADV_FREE	8
#endif

static void memory(const struct pin_mem *m, uint64_t noise)
{
	size_t len;
	char *start = chaos_range(m, noise, &len);

	madvise(start, len, MADV_FREE);
}

const struct pin_chaos pin_chaos_free = {
	.name = "free",
	.help = "madvise(MADV_FREE): pages may be thrown away",
	.scope = CHAOS_MEMORY,
	.memory = memory,
};
