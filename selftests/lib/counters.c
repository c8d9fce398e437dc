// SPDX-License-Identifier: GPL-2.0
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "counters.h"

#define NODE_DIR	"/sys/devices/system/node"
#define WHOLE		32767	/* more than any of these files has */

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

/* Complete lines only: a number may be cut in two. */
static bool find_counts(char *text, struct pin_count *n)
{
	char *end = strrchr(text, '\n');
	bool found;

	if (!end)
		return false;
	*end = '\0';
	found = find_field(text, "nr_foll_pin_acquired", &n->acquired) &&
		find_field(text, "nr_foll_pin_released", &n->released);
	*end = '\n';
	return found;
}

/*
 * seq_file hands out about a page per read(2), and both lines must come from
 * the same one to belong together: they are neighbours in the first page, so
 * read on only while a line is missing.
 *
 * The kernel makes no more lines than were asked for, and these are about the
 * fiftieth of two hundred: @enough, if not NULL, is what a first read asks for.
 */
static int read_counts(int fd, struct pin_count *n, size_t *enough)
{
	char buf[WHOLE + 1];
	size_t used = 0;
	ssize_t got;

	if (enough && *enough) {
		got = pread(fd, buf, *enough, 0);
		buf[got > 0 ? got : 0] = '\0';
		if (find_counts(buf, n))
			return 0;
	}
	while (used < WHOLE) {
		got = pread(fd, buf + used, WHOLE - used, used);
		if (got < 0)
			return -errno;
		if (!got)
			break;
		used += got;
		buf[used] = '\0';
		if (!find_counts(buf, n))
			continue;
		/* Numbers grow: half as much again. */
		if (enough)
			*enough = (strstr(buf, "nr_foll_pin_") - buf + 64) * 3 / 2;
		return 0;
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

/* The last number of "0-1" or "0,2-3"; as large as can be if that is not known. */
static int last_node(void)
{
	int last = 1023;
	char text[256], *p;
	FILE *f = fopen(NODE_DIR "/possible", "re");

	if (!f)
		return last;
	if (fgets(text, sizeof(text), f) && strchr(text, '\n')) {
		p = strchr(text, '\n');
		while (p > text && isdigit((unsigned char)p[-1]))
			p--;
		last = atoi(p);
	}
	fclose(f);
	return last;
}

static int open_nodes(struct pin_counters *c)
{
	struct pin_count probe;
	char path[64];
	int id, last, fd, err;

	last = last_node();
	for (id = 0; id <= last && c->nr_nodes < PIN_MAX_NODES; id++) {
		snprintf(path, sizeof(path), NODE_DIR "/node%d/vmstat", id);
		fd = open(path, O_RDONLY | O_CLOEXEC);
		if (fd < 0 && errno == ENOENT)
			continue;
		if (fd < 0)
			return -errno;
		err = read_counts(fd, &probe, NULL);
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
	err = read_counts(c->vmstat_fd, &probe, &c->vmstat_enough);
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

int pin_counters_read_nodes(const struct pin_counters *c, struct pin_snapshot *s)
{
	int i, err = 0;

	for (i = 0; !err && !c->own && i < c->nr_nodes; i++)
		err = read_counts(c->node_fd[i], &s->node[i], NULL);
	return err;
}

static int read_total(const struct pin_counters *c, struct pin_snapshot *s)
{
	size_t enough = c->vmstat_enough;

	s->ns = pin_now_ns();
	if (c->own) {
		/* In this order, so that none seems released before it was acquired. */
		s->total.released = c->own->released;
		s->total.acquired = c->own->acquired;
		return 0;
	}
	return read_counts(c->vmstat_fd, &s->total, &enough);
}

int pin_counters_read_stale(const struct pin_counters *c, struct pin_snapshot *s)
{
	return read_total(c, s) ?: pin_counters_read_nodes(c, s);
}

int pin_counters_read_total(const struct pin_counters *c, struct pin_snapshot *s)
{
	/*
	 * Kernels before 5.13 answer EINVAL when any unrelated counter is
	 * negative; the fold has happened by then.
	 */
	if (!c->own && c->refresh_fd >= 0 && pwrite(c->refresh_fd, "1", 1, 0) < 0 &&
	    errno != EINVAL)
		return -errno;
	return read_total(c, s);
}

int pin_counters_read(const struct pin_counters *c, struct pin_snapshot *s)
{
	return pin_counters_read_total(c, s) ?: pin_counters_read_nodes(c, s);
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
