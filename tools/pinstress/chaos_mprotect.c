// SPDX-License-Identifier: GPL-2.0
#include <sys/mman.h>

#include "chaos.h"

static void memory(const struct pin_mem *m, uint64_t noise)
{
	static const int prot[] = { PROT_NONE, PROT_READ };
	size_t len;
	char *start = chaos_range(m, noise, &len);

	mprotect(start, len, prot[noise >> 20 & 1]);
	mprotect(start, len, PROT_READ | PROT_WRITE);
}

const struct pin_chaos pin_chaos_mprotect = {
	.name = "mprotect",
	.help = "memory protected and opened again",
	.scope = CHAOS_MEMORY,
	.memory = memory,
};
