// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "counters.h"

#define NODE_DIR	"/sys/devices/system/node"

uint64_t pin_now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000ull + ts.tv_nsec;
}

void pin_sleep_ns(uint64_t ns)
{
	struct timespec ts = {
		.tv_sec = ns / 1000000000ull,
		.tv_nsec = ns % 1000000000ull,
	};

	nanosleep(&ts, NULL);
}

static bool find_field(const char *text, const char *name, uint64_t *value)
{
	size_t len = strlen(name);
	const char *p;

	for (p = text; (p = strstr(p, name)); p += len) {
		if ((p == text || p[-1] == '\n') && p[len] == ' ') {
			*value = strtoull(p + len, NULL, 10);
			return true;
		}
	}
	return false;
}

/*
 * seq_file hands out about a page per read(2), and both lines must come from
 * the same one to belong together: they are neighbours in the first page, so
 * read on only while a line is missing.
 */
static int read_counts(int fd, struct pin_count *n)
{
	char buf[32768];
	size_t used = 0;
	ssize_t got;

	while (used < sizeof(buf) - 1) {
		got = pread(fd, buf + used, sizeof(buf) - 1 - used, used);
		if (got < 0)
			return -errno;
		if (!got)
			break;
		used += got;
		buf[used] = '\0';
		/* Complete lines only: a number may be cut in two. */
		char *end = strrchr(buf, '\n');

		if (!end)
			continue;
		*end = '\0';
		if (find_field(buf, "nr_foll_pin_acquired", &n->acquired) &&
		    find_field(buf, "nr_foll_pin_released", &n->released))
			return 0;
		*end = '\n';
	}
	return -EOPNOTSUPP;
}

static uint64_t stat_interval_ns(void)
{
	unsigned long long seconds = 1;
	FILE *f = fopen("/proc/sys/vm/stat_interval", "re");

	if (f) {
		if (fscanf(f, "%llu", &seconds) != 1 || !seconds)
			seconds = 1;
		fclose(f);
	}
	return seconds * 1000000000ull;
}

static int open_nodes(struct pin_counters *c)
{
	struct pin_count probe;
	char path[64];
	int id, fd, err;

	for (id = 0; id < 1024 && c->nr_nodes < PIN_MAX_NODES; id++) {
		snprintf(path, sizeof(path), NODE_DIR "/node%d/vmstat", id);
		fd = open(path, O_RDONLY | O_CLOEXEC);
		if (fd < 0 && errno == ENOENT)
			continue;
		if (fd < 0)
			return -errno;
		err = read_counts(fd, &probe);
		if (err) {
			close(fd);
			return err;
		}
		c->node_fd[c->nr_nodes] = fd;
		c->node_id[c->nr_nodes++] = id;
	}
	return 0;
}

int pin_counters_open(struct pin_counters *c)
{
	struct pin_count probe;
	int err;

	memset(c, 0, sizeof(*c));
	c->refresh_fd = -1;
	c->vmstat_fd = open("/proc/vmstat", O_RDONLY | O_CLOEXEC);
	if (c->vmstat_fd < 0)
		return -errno;
	err = read_counts(c->vmstat_fd, &probe);
	if (err) {
		close(c->vmstat_fd);
		return err;
	}
	c->refresh_fd = open("/proc/sys/vm/stat_refresh", O_WRONLY | O_CLOEXEC);
	/* A kernel for one CPU has no per-CPU deltas and no such file. */
	c->exact = c->refresh_fd >= 0 ||
		   (errno == ENOENT && sysconf(_SC_NPROCESSORS_CONF) == 1);
	c->settle_ns = 2 * stat_interval_ns();
	err = open_nodes(c);
	if (err)
		pin_counters_close(c);
	return err;
}

void pin_counters_close(struct pin_counters *c)
{
	while (c->nr_nodes)
		close(c->node_fd[--c->nr_nodes]);
	if (c->refresh_fd >= 0)
		close(c->refresh_fd);
	close(c->vmstat_fd);
	c->refresh_fd = -1;
	c->vmstat_fd = -1;
}

int pin_counters_read_stale(const struct pin_counters *c, struct pin_snapshot *s)
{
	int i, err;

	s->ns = pin_now_ns();
	err = read_counts(c->vmstat_fd, &s->total);
	for (i = 0; !err && i < c->nr_nodes; i++)
		err = read_counts(c->node_fd[i], &s->node[i]);
	return err;
}

int pin_counters_read(const struct pin_counters *c, struct pin_snapshot *s)
{
	/*
	 * Kernels before 5.13 answer EINVAL when any unrelated counter is
	 * negative; the fold has happened by then.
	 */
	if (c->refresh_fd >= 0 && pwrite(c->refresh_fd, "1", 1, 0) < 0 &&
	    errno != EINVAL)
		return -errno;
	return pin_counters_read_stale(c, s);
}

static bool same_counts(const struct pin_counters *c,
			const struct pin_snapshot *a, const struct pin_snapshot *b)
{
	return !memcmp(&a->total, &b->total, sizeof(a->total)) &&
	       !memcmp(a->node, b->node, c->nr_nodes * sizeof(a->node[0]));
}

int pin_counters_read_whole(const struct pin_counters *c, struct pin_snapshot *s,
			    uint64_t timeout_ns)
{
	uint64_t deadline = pin_now_ns() + timeout_ns;
	struct pin_snapshot first;
	int err;

	err = pin_counters_read(c, s);
	while (!err) {
		first = *s;
		err = pin_counters_read_stale(c, s);
		if (err || same_counts(c, s, &first))
			break;
		if (pin_now_ns() > deadline)
			return -EBUSY;
	}
	return err;
}

int pin_counters_settle(const struct pin_counters *c, struct pin_snapshot *s,
			uint64_t timeout_ns)
{
	uint64_t deadline = pin_now_ns() + timeout_ns;
	struct pin_snapshot first;
	uint64_t now;
	int err;

	if (pin_counters_exact(c))
		return pin_counters_read(c, s);

	err = pin_counters_read_stale(c, &first);
	while (!err) {
		pin_sleep_ns(c->settle_ns / 16);
		err = pin_counters_read_stale(c, s);
		if (err)
			break;
		now = pin_now_ns();
		if (!same_counts(c, s, &first))
			first = *s;
		else if (s->ns - first.ns >= c->settle_ns)
			return 0;
		if (now > deadline)
			return -EBUSY;
	}
	return err;
}
