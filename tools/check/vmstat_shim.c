// SPDX-License-Identifier: GPL-2.0
/*
 * LD_PRELOAD shim: a kernel that miscounts pins or writes to its log, to prove
 * that our checks can fail. Without PIN_SHIM it does nothing.
 *
 *   PIN_SHIM=acquired   an acquired page is missing, in the total and on a node
 *   PIN_SHIM=released   a release is missing, likewise
 *   PIN_SHIM=node       an acquired page is missing on a node, not in the total
 *   PIN_SHIM=kmsg-warn  one read of /dev/kmsg returns a WARNING that is not there
 *   PIN_SHIM=kmsg-lost  one read of /dev/kmsg fails with EPIPE (records lost)
 *   PIN_SHIM_PAGES=N    pages that are missing (default 1)
 *   PIN_SHIM_AFTER=N    let N pages pass first, e.g. those of probes (default 0)
 *
 * The amount hidden is a function of what the counters moved since this program
 * was loaded: none as long as they rest, so baselines are honest, and lasting
 * once they moved. A fork inherits it, exec starts anew. The node is the first
 * one that is seen to move. Without root the baseline is only right if nothing
 * has been pinned for 2 x vm.stat_interval.
 *
 *   cc -shared -fPIC -o vmstat_shim.so vmstat_shim.c -ldl
 *   LD_PRELOAD=./vmstat_shim.so PIN_SHIM=released ./program
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define NODE_FORMAT "/sys/devices/system/node/node%d/vmstat"
#define MAX_NODES 256
#define TEXT_SIZE 65536

enum fault {
	NONE,
	ACQUIRED,
	RELEASED,
	NODE,
	KMSG_WARN,
	KMSG_LOST,
};

enum {
	NOT_OURS = -3,
	KMSG = -2,
	TOTAL = -1, /* and node ids from 0 */
};

struct counts {
	unsigned long long acquired;
	unsigned long long released;
};

/* Shared with forked children: one fault, not one in each. */
struct shared {
	int victim; /* node id + 1 */
	int kmsg_done;
};

static enum fault fault;
static unsigned long long pages = 1, after;
static struct counts base_total, base_node[MAX_NODES];
static struct shared *shared;
static ssize_t (*real_read)(int fd, void *buf, size_t count);
static ssize_t (*real_pread)(int fd, void *buf, size_t count, off64_t off);

static unsigned long long field(const char *text, const char *name)
{
	size_t len = strlen(name);
	const char *p;

	for (p = text; (p = strstr(p, name)); p += len)
		if ((p == text || p[-1] == '\n') && p[len] == ' ')
			return strtoull(p + len, NULL, 10);
	return 0;
}

static void read_text(int fd, char *text)
{
	size_t used = 0;
	ssize_t n;

	while (used < TEXT_SIZE - 1) {
		n = real_pread(fd, text + used, TEXT_SIZE - 1 - used, used);
		if (n <= 0)
			break;
		used += n;
	}
	text[used] = '\0';
}

static bool read_counts(int which, struct counts *c)
{
	char path[64] = "/proc/vmstat", text[TEXT_SIZE];
	int fd;

	if (which >= 0)
		snprintf(path, sizeof(path), NODE_FORMAT, which);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	read_text(fd, text);
	close(fd);
	c->acquired = field(text, "nr_foll_pin_acquired");
	c->released = field(text, "nr_foll_pin_released");
	return true;
}

static void flush(void)
{
	int fd = open("/proc/sys/vm/stat_refresh", O_WRONLY | O_CLOEXEC);

	if (fd < 0)
		return;
	/* EINVAL is about unrelated counters. */
	if (write(fd, "1", 1) < 0)
		errno = 0;
	close(fd);
}

static enum fault parse_fault(const char *env)
{
	static const char *const names[] = {
		[ACQUIRED] = "acquired",   [RELEASED] = "released",
		[NODE] = "node",	   [KMSG_WARN] = "kmsg-warn",
		[KMSG_LOST] = "kmsg-lost",
	};
	int i;

	for (i = ACQUIRED; i <= KMSG_LOST; i++)
		if (!strcmp(env, names[i]))
			return i;
	fprintf(stderr, "vmstat_shim: unknown PIN_SHIM=%s\n", env);
	_exit(2);
}

static void env_number(const char *name, unsigned long long *value)
{
	const char *env = getenv(name);

	if (env)
		*value = strtoull(env, NULL, 10);
}

static void __attribute__((constructor)) load(void)
{
	const char *env = getenv("PIN_SHIM");
	enum fault wanted;
	int i;

	real_read = dlsym(RTLD_NEXT, "read");
	real_pread = dlsym(RTLD_NEXT, "pread64");
	if (!env || !*env)
		return;
	wanted = parse_fault(env);
	env_number("PIN_SHIM_PAGES", &pages);
	env_number("PIN_SHIM_AFTER", &after);
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED) {
		perror("vmstat_shim: mmap");
		_exit(2);
	}
	/* Or earlier traffic would look like the program's own. */
	flush();
	read_counts(TOTAL, &base_total);
	for (i = 0; i < MAX_NODES; i++)
		read_counts(i, &base_node[i]);
	/* Last: until now every read was a real one. */
	fault = wanted;
}

static unsigned long long moved(const struct counts *base,
				const struct counts *now)
{
	return fault == RELEASED ? now->released - base->released :
				   now->acquired - base->acquired;
}

/* What is missing in a file; @now is what the file really says. */
static unsigned long long hidden(int which, const struct counts *now)
{
	unsigned long long n;
	struct counts total;
	int nobody = 0;

	if (which == TOTAL)
		total = *now;
	else if (!read_counts(TOTAL, &total))
		return 0;
	n = moved(&base_total, &total);
	if (n <= after)
		return 0;
	n -= after;
	if (n > pages)
		n = pages;
	if (which == TOTAL)
		return fault == NODE ? 0 : n;

	if (!moved(&base_node[which], now))
		return 0;
	__atomic_compare_exchange_n(&shared->victim, &nobody, which + 1, false,
				    __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
	if (shared->victim != which + 1)
		return 0;
	return n < moved(&base_node[which], now) ?
		       n :
		       moved(&base_node[which], now);
}

/* Copy @text to @out with the one wrong line. */
static size_t falsify(int which, const char *text, char *out)
{
	const char *name = fault == RELEASED ? "\nnr_foll_pin_released " :
					       "\nnr_foll_pin_acquired ";
	const char *line = strstr(text, name), *end;
	struct counts now = {
		.acquired = field(text, "nr_foll_pin_acquired"),
		.released = field(text, "nr_foll_pin_released"),
	};
	unsigned long long value;

	end = line ? strchr(line + 1, '\n') : NULL;
	if (!end)
		return snprintf(out, TEXT_SIZE, "%s", text);
	value = fault == RELEASED ? now.released : now.acquired;
	return snprintf(out, TEXT_SIZE, "%.*s%s%llu%s", (int)(line - text),
			text, name, value - hidden(which, &now), end);
}

static ssize_t read_falsified(int fd, int which, void *buf, size_t count,
			      off64_t off)
{
	char text[TEXT_SIZE], out[TEXT_SIZE];
	size_t len;

	/* Bad arguments get the kernel's own answer. */
	if (off < 0 || fcntl(fd, F_GETFL) & O_WRONLY)
		return real_pread(fd, buf, count, off);
	read_text(fd, text);
	len = falsify(which, text, out);
	if ((size_t)off >= len)
		return 0;
	if (count > len - off)
		count = len - off;
	memcpy(buf, out + off, count);
	return count;
}

/* A number the kernel would give to the next record. */
static unsigned long long next_seq(void)
{
	int fd = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	unsigned long long seq = 0;
	char record[8192];
	ssize_t n;

	if (fd < 0)
		return 0;
	for (;;) {
		n = real_read(fd, record, sizeof(record) - 1);
		if (n < 0 && errno == EPIPE)
			continue;
		if (n <= 0)
			break;
		record[n] = '\0';
		if (sscanf(record, "%*u,%llu,", &seq) == 1)
			seq++;
	}
	close(fd);
	return seq;
}

static ssize_t read_kmsg(int fd, void *buf, size_t count)
{
	struct counts now;
	struct timespec ts;
	unsigned long long usec;
	char record[256];
	int n;

	flush();
	if (shared->kmsg_done || !read_counts(TOTAL, &now) ||
	    moved(&base_total, &now) <= after ||
	    __atomic_exchange_n(&shared->kmsg_done, 1, __ATOMIC_SEQ_CST))
		return real_read(fd, buf, count);
	if (fault == KMSG_LOST) {
		errno = EPIPE;
		return -1;
	}
	clock_gettime(CLOCK_MONOTONIC, &ts);
	usec = ts.tv_sec * 1000000ull + ts.tv_nsec / 1000;
	n = snprintf(record, sizeof(record), "4,%llu,%llu,-;%s\n", next_seq(),
		     usec, "WARNING: CPU: 0 PID: 1 at mm/gup.c:1 shim");
	if ((size_t)n > count) {
		errno = EINVAL;
		return -1;
	}
	memcpy(buf, record, n);
	return n;
}

/* By name at every read: a descriptor may be anything by now. */
static int which_file(int fd)
{
	char link[64], path[64];
	ssize_t n;
	int node;
	char end;

	if (fault == NONE)
		return NOT_OURS;
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = readlink(link, path, sizeof(path) - 1);
	if (n < 0)
		return NOT_OURS;
	path[n] = '\0';
	if (fault == KMSG_WARN || fault == KMSG_LOST)
		return strcmp(path, "/dev/kmsg") ? NOT_OURS : KMSG;
	if (!strcmp(path, "/proc/vmstat"))
		return TOTAL;
	if (sscanf(path, "/sys/devices/system/node/node%d/vmsta%c", &node,
		   &end) == 2 &&
	    end == 't' && node >= 0 && node < MAX_NODES)
		return node;
	return NOT_OURS;
}

static ssize_t any_pread(int fd, void *buf, size_t count, off64_t off)
{
	int saved = errno, which = which_file(fd);

	errno = saved;
	if (which == NOT_OURS || which == KMSG)
		return real_pread(fd, buf, count, off);
	return read_falsified(fd, which, buf, count, off);
}

static ssize_t any_read(int fd, void *buf, size_t count)
{
	int saved = errno, which = which_file(fd);
	ssize_t n;

	errno = saved;
	if (which == NOT_OURS)
		return real_read(fd, buf, count);
	if (which == KMSG)
		return read_kmsg(fd, buf, count);
	n = read_falsified(fd, which, buf, count, lseek64(fd, 0, SEEK_CUR));
	if (n > 0)
		lseek64(fd, n, SEEK_CUR);
	return n;
}

ssize_t read(int fd, void *buf, size_t count)
{
	return any_read(fd, buf, count);
}

ssize_t pread(int fd, void *buf, size_t count, off_t off)
{
	return any_pread(fd, buf, count, off);
}

ssize_t pread64(int fd, void *buf, size_t count, off64_t off)
{
	return any_pread(fd, buf, count, off);
}

/* What _FORTIFY_SOURCE makes of them. */
ssize_t __read_chk(int fd, void *buf, size_t count, size_t size)
{
	if (count > size)
		abort();
	return any_read(fd, buf, count);
}

ssize_t __pread_chk(int fd, void *buf, size_t count, off_t off, size_t size)
{
	if (count > size)
		abort();
	return any_pread(fd, buf, count, off);
}

ssize_t __pread64_chk(int fd, void *buf, size_t count, off64_t off, size_t size)
{
	if (count > size)
		abort();
	return any_pread(fd, buf, count, off);
}
