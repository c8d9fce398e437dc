// SPDX-License-Identifier: GPL-2.0
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

#include "chaos.h"
#include "proc.h"
#include "scratch.h"

#define MEMORY		"/sys/devices/system/memory/"
#define MAX_BLOCKS	64
#define PATIENCE_MS	300	/* the kernel tries until a signal comes */
#define AWAY_NS		(50 * MSEC)

static unsigned int block[MAX_BLOCKS], nr_blocks;

static bool file_says(unsigned int number, const char *name, const char *word)
{
	char path[96];

	snprintf(path, sizeof(path), MEMORY "memory%u/%s", number, name);
	return pin_file_begins(path, word);
}

/* Memory that is there to be movable, and nothing else: it can be let go. */
static unsigned int find_blocks(unsigned int *found, unsigned int room)
{
	DIR *d = opendir(MEMORY);
	unsigned int nr = 0, number;
	struct dirent *entry;

	while (d && nr < room && (entry = readdir(d))) {
		if (sscanf(entry->d_name, "memory%u", &number) == 1 &&
		    file_says(number, "state", "online") &&
		    file_says(number, "removable", "1") &&
		    file_says(number, "valid_zones", "Movable"))
			found[nr++] = number;
	}
	if (d)
		closedir(d);
	return nr;
}

static int probe(const struct pin_kernel *k, char *why)
{
	unsigned int number;

	(void)k;
	if (find_blocks(&number, 1))
		return 0;
	return pin_why(why, -EOPNOTSUPP, "no memory that can be taken away: kernel option MEMORY_HOTREMOVE, and memory in ZONE_MOVABLE (pinvm run --hotplug 512M)");
}

static bool in_a_guest(void)
{
	char line[4096];
	bool guest = !access("/proc/device-tree/hypervisor", F_OK) ||
		     !access("/sys/firmware/qemu_fw_cfg", F_OK);
	FILE *f = fopen("/proc/cpuinfo", "re");

	while (f && !guest && fgets(line, sizeof(line), f))
		guest = !strncmp(line, "flags", 5) && strstr(line, " hypervisor");
	if (f)
		fclose(f);
	return guest;
}

/* By the janitor, too, if we cannot. */
static int bring_back(const char *number)
{
	char path[96];

	if (!file_says(atoi(number), "state", "offline"))
		return 0;
	snprintf(path, sizeof(path), MEMORY "memory%s/state", number);
	return chaos_write(path, "online_movable");
}

static int setup(struct run *r, char *why)
{
	char number[16];
	int err = 0;

	if (!in_a_guest() && !strstr(r->opt->chaos, "offline"))
		return pin_why(why, -EPERM, "memory of a real machine is taken away only by --chaos offline");
	nr_blocks = find_blocks(block, MAX_BLOCKS);
	for (unsigned int i = 0; i < nr_blocks && !err; i++) {
		snprintf(number, sizeof(number), "%u", block[i]);
		err = pin_scratch_undo(bring_back, number, why);
	}
	return err;
}

static void on_alarm(int sig)
{
	(void)sig;
}

/*
 * A block whose pages are pinned is not to go: the kernel tries again and
 * again, and gives up when the signal comes.
 */
static void act(struct run *r, uint64_t noise)
{
	const struct itimerval soon = { .it_value.tv_usec = PATIENCE_MS * 1000 };
	const struct itimerval never = { .it_value.tv_usec = 0 };
	const struct sigaction sa = { .sa_handler = on_alarm };	/* no SA_RESTART */
	char path[96], number[16];

	(void)r;
	snprintf(number, sizeof(number), "%u", block[noise % nr_blocks]);
	snprintf(path, sizeof(path), MEMORY "memory%s/state", number);
	sigaction(SIGALRM, &sa, NULL);
	setitimer(ITIMER_REAL, &soon, NULL);
	chaos_write(path, "offline");
	setitimer(ITIMER_REAL, &never, NULL);
	pin_sleep_ns((noise >> 32) % AWAY_NS);
	bring_back(number);
}

const struct pin_chaos pin_chaos_offline = {
	.name = "offline",
	.help = "movable memory taken away and brought back",
	.scope = CHAOS_MACHINE,
	.loosens = true,
	.starves = true,
	.pause_ms = 500,
	.probe = probe,
	.setup = setup,
	.act = act,
};
