// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "chaos.h"

#define DROP	"/proc/sys/vm/drop_caches"

static int probe(const struct pin_kernel *k, char *why)
{
	(void)k;
	if (!access(DROP, W_OK))
		return 0;
	return pin_why(why, -errno, "%s: %s: it takes root", DROP, strerror(errno));
}

/* 4: without a line in the kernel log each time. */
static void act(struct run *r, uint64_t noise)
{
	static const char *const what[] = { "1", "2", "3" };

	(void)r;
	chaos_write(DROP, "4");
	chaos_write(DROP, what[noise % 3]);
}

const struct pin_chaos pin_chaos_drop_caches = {
	.name = "drop_caches",
	.help = "page cache, dentries and inodes dropped",
	.scope = CHAOS_MACHINE,
	.loosens = true,
	.pause_ms = 200,
	.probe = probe,
	.act = act,
};
