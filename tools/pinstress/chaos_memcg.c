// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "chaos.h"
#include "scratch.h"

#define V1	"/sys/fs/cgroup/memory"
#define V2	"/sys/fs/cgroup"
#define LIMIT	"3M"

static char group[600];
static const char *limit_file;

static int make_group(const char *root, const char *file, char *why)
{
	int err;

	snprintf(group, sizeof(group), "%s/pinstress-%d", root, getpid());
	err = pin_scratch_mkdir(group, why);
	limit_file = file;
	return err;
}

/* A group that workers are put into; it is too small for them. */
static int setup(struct run *r, char *why)
{
	static const char *const roots[] = { V2, V2 "/unified" };
	char path[700];

	(void)r;
	if (!access(V1 "/memory.limit_in_bytes", F_OK))
		return make_group(V1, "memory.limit_in_bytes", why);
	for (size_t i = 0; i < sizeof(roots) / sizeof(roots[0]); i++) {
		FILE *f;
		char line[512] = "";

		snprintf(path, sizeof(path), "%s/cgroup.controllers", roots[i]);
		f = fopen(path, "re");
		if (!f)
			continue;
		if (!fgets(line, sizeof(line), f))
			*line = '\0';
		fclose(f);
		if (!strstr(line, "memory"))
			continue;
		snprintf(path, sizeof(path), "%s/cgroup.subtree_control", roots[i]);
		chaos_write(path, "+memory");
		return make_group(roots[i], "memory.max", why);
	}
	return pin_why(why, -ENOENT, "no memory controller in %s: kernel option MEMCG; mount -t cgroup2 none %s",
		       V2, V2);
}

static void act(struct run *r, uint64_t noise)
{
	struct line *l = chaos_victim(r, noise);
	char path[700], pid[16];

	if (!l)
		return;
	snprintf(path, sizeof(path), "%s/%s", group, limit_file);
	chaos_write(path, LIMIT);
	snprintf(path, sizeof(path), "%s/cgroup.procs", group);
	snprintf(pid, sizeof(pid), "%d", l->pid);
	chaos_write(path, pid);
}

/* With swap it may be starved for minutes, and cannot even be killed meanwhile. */
static void calm(void)
{
	char path[700];

	snprintf(path, sizeof(path), "%s/%s", group, limit_file);
	chaos_write(path, strcmp(limit_file, "memory.max") ? "-1" : "max");
}

const struct pin_chaos pin_chaos_memcg = {
	.name = "memcg",
	.help = "workers in a group with too little memory, until they are killed",
	.scope = CHAOS_WORKERS,
	.loosens = true,
	.starves = true,
	.kills = true,
	.pause_ms = 500,
	.setup = setup,
	.act = act,
	.calm = calm,
};
