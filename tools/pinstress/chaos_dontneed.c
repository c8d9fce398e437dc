// SPDX-License-Identifier: GPL-2.0
#include <sys/mman.h>

#include "chaos.h"

#ifndef MADV_DONTNEED
#define MADV_DONTNEED	4
#endif

static void memory(const struct pin_mem *m, uint64_t noise)
{
	size_t len;
	char *start = chaos_range(m, noise, &len);

	madvise(start, len, MADV_DONTNEED);
}

const struct pin_chaos pin_chaos_dontneed = {
	.name = "dontneed",
	.help = "madvise(MADV_DONTNEED): pages thrown away",
	.scope = CHAOS_MEMORY,
	.memory = memory,
};
