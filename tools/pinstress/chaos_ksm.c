// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "chaos.h"
#include "scratch.h"

#define KSM	"/sys/kernel/mm/ksm/"

static int setup(struct run *r, char *why)
{
	int err = pin_scratch_setting(KSM "run", "1", why);

	(void)r;
	if (err == -ENOENT)
		return pin_why(why, err, "no " KSM "run: kernel option KSM");
	if (!err)
		err = pin_scratch_setting(KSM "sleep_millisecs", "1", why);
	if (!err)
		err = pin_scratch_setting(KSM "pages_to_scan", "1000", why);
	return err;
}

/* Buffers are full of the same numbers, so that there is much to merge. */
static void memory(const struct pin_mem *m, uint64_t noise)
{
	size_t len;
	char *start = chaos_range(m, noise, &len);

	madvise(start, len, noise & (1ull << 20) ? MADV_UNMERGEABLE : MADV_MERGEABLE);
}

const struct pin_chaos pin_chaos_ksm = {
	.name = "ksm",
	.help = "pages merged by KSM, and unmerged",
	.scope = CHAOS_MEMORY,
	.setup = setup,
	.memory = memory,
};
