// SPDX-License-Identifier: GPL-2.0
#include <sys/mman.h>

#include "chaos.h"

/*
 * Other memory is mapped over it, so that nothing else can come to lie in the
 * hole meanwhile: the unmapping is the same.
 */
static void memory(const struct pin_mem *m, uint64_t noise)
{
	int prot = noise & (1ull << 20) ? PROT_NONE : PROT_READ | PROT_WRITE;
	size_t len;
	char *start = chaos_range(m, noise, &len);

	if (mmap(start, len, prot, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) != MAP_FAILED)
		madvise(start, len, MADV_NOHUGEPAGE);
}

const struct pin_chaos pin_chaos_munmap = {
	.name = "munmap",
	.help = "memory unmapped, other memory or nothing in its place",
	.scope = CHAOS_MEMORY,
	.memory = memory,
};
