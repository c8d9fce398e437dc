// SPDX-License-Identifier: GPL-2.0
/*
 * Long-term pins: refused where the kernel could not keep its promises, moved
 * out of memory that must stay movable first. A page that is moved is pinned
 * twice, which shows in the counters: each test foretells how often. And what has
 * to wait for the short-term pins that are allowed instead.
 */
#include <errno.h>
#include <fcntl.h>
#include <numa.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench.h"
#include "proc.h"
#include "scratch.h"

#define MS		1000000ull
#define DWELL_NS	(40 * MS)	/* what does not wait is over by then */
#define WAITS_NS	(20000 * MS)	/* time to come to where it waits, or to end */
#define PAGES		64
#define HUGEPAGES	4
#define RACE_ROUNDS	20
#define HOG_PAGES	8192

/* Before (d1e153fea2a8), long-term pins left only CMA. */
#define MOVES_SINCE	PIN_KVER(5, 13)

struct subject {
	const char *kind;
	unsigned int way, flags;
	bool retaken;		/* a page is taken, dropped and taken again */
};

/* Pages in ZONE_MOVABLE, or in CMA. */
static unsigned int in_movable(const struct pin_bench *b, const struct pin_helper_page *pages,
			       unsigned int nr)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < nr; i++)
		n += pages[i].flags & PIN_HELPER_PAGE_MOVABLE_ZONE ||
		     pin_kernel_in_cma(b->k, pages[i].pfn);
	return n;
}

/* --- what is refused --- */

static enum pin_verdict try_long(struct pin_audit *au, const struct subject *sub,
				 unsigned int pages)
{
	const struct pin_access access = {
		.write = sub->flags & PIN_HELPER_WRITE,
		.longterm = true,
		.fast = sub->way == PIN_HELPER_PIN_FAST,
	};
	struct pin_predict want = { .acquired = 0 };
	struct pin_op op = { .consumer = NULL };
	unsigned int handle;
	struct pin_bench b;
	int err;

	if (!pin_bench_open(&b, au, sub->kind, pages))
		return PIN_SKIP;
	op.kernel = b.k;
	op.mem = &b.m;
	pin_predict_all_or_nothing(&op, &access, &want);
	err = pin_helper_take_all(b.fd, sub->way, sub->flags | PIN_HELPER_LONGTERM,
				  b.m.addr, b.m.len, &handle);
	if (want.result)
		pin_audit_step(au, "long-term pin", &want, err, 0);
	pin_bench_close(&b);
	if (!want.result) {
		pin_audit_restart(au);
		return pin_audit_skip(au, "Linux 6.5 and later refuse this, this kernel does not");
	}
	return PIN_PASS;
}

static enum pin_verdict refused(struct pin_audit *au, const void *arg)
{
	return try_long(au, arg, PAGES);
}

/* One page is still on its way to the LRU. */
static enum pin_verdict refused_fresh(struct pin_audit *au, const void *arg)
{
	return try_long(au, arg, 1);
}

/* A page that may be written to is taken by the lockless walk, and dropped. */
static enum pin_verdict refused_writable(struct pin_audit *au, const void *arg)
{
	struct pin_predict want = { .result = -EFAULT, .or_result = -EFAULT };
	struct pin_helper_page *pages = NULL;
	unsigned int handle;
	struct pin_bench b;
	int err;

	if (!pin_bench_open(&b, au, "file_shared", PAGES))
		return PIN_SKIP;
	if (b.k->longterm_file_refused) {
		pin_bench_write(&b, 1);
		pages = pin_bench_look(&b);
	}
	if (pages) {
		/* Not even that, if it is in memory that must stay movable. */
		want.acquired = !in_movable(&b, pages, 1);
		want.released = want.acquired;
		err = pin_helper_take_all(b.fd, PIN_HELPER_PIN_FAST,
					  PIN_HELPER_WRITE | PIN_HELPER_LONGTERM,
					  b.m.addr, b.m.len, &handle);
		pin_audit_step(au, "long-term pin", &want, err, 0);
		free(pages);
	} else {
		pin_audit_skip(au, "Linux 6.5 and later refuse this, this kernel does not");
	}
	pin_bench_close(&b);
	return PIN_PASS;
}

/*
 * Short-term, or only to read: allowed. Before it takes a page of a file to be
 * read for long, the lockless walk wants to know whether the mapping is a
 * private one, which only the slow walk can tell (since 6.2, 84209e87c696).
 */
static enum pin_verdict allowed(struct pin_audit *au, const void *arg)
{
	const struct subject *sub = arg;
	unsigned int handle = 0, again = 0;
	struct pin_helper_page *pages;
	struct pin_bench b;
	int err;

	if (!pin_bench_open(&b, au, sub->kind, PAGES))
		return PIN_SKIP;
	pages = pin_bench_look(&b);
	if (pages && sub->retaken && b.k->version >= PIN_KVER(6, 2))
		again = !in_movable(&b, pages, 1);
	/* A private mapping gets pages of its own, from where they may stay (6.2). */
	if (pages && sub->flags & PIN_HELPER_LONGTERM && b.k->version >= MOVES_SINCE &&
	    (strcmp(sub->kind, "file_private") || (!(sub->flags & PIN_HELPER_WRITE) &&
						   b.k->version < PIN_KVER(6, 2))))
		again += in_movable(&b, pages, b.m.pages) ? b.m.pages : 0;
	free(pages);
	err = pin_helper_take_all(b.fd, sub->way, sub->flags, b.m.addr, b.m.len, &handle);
	pin_bench_step(&b, "pin", b.m.pages + again, again, err);
	if (!err)
		pin_bench_step(&b, "unpin", 0, b.m.pages,
			       pin_helper_give_all(b.fd, handle, PIN_HELPER_GIVE_PAGES, 0));
	pin_bench_close(&b);
	return PIN_PASS;
}

/* --- memory of a file that is the device's own: FS-DAX --- */

#define PMEM_VARIABLE	"PIN_SCRATCH_PMEM"

#ifndef STATX_ATTR_DAX
#define STATX_ATTR_DAX	0x00200000
#endif

struct dax_subject {
	const char *name;
	unsigned int way, flags;
	int map;		/* MAP_SHARED, MAP_PRIVATE */
	bool allowed;
	bool huge;		/* the file is mapped by one entry, of a PMD */
};

/* A file system on the device that we may use up, its files mapped without a cache. */
static const char *dax_dir(char *why)
{
	static const struct pin_scratch_fs fs = {
		.type = "ext4", .options = "dax", .mkfs = "mkfs.ext4",
		/* What is allocated at once begins where a PMD's entry can point. */
		.args = { "-Fq", "-b", "4096", "-E", "stripe_width=512" }, .package = "e2fsprogs",
		.config = "EXT4_FS",
	};
	static char dir[256];
	const char *dev = getenv(PMEM_VARIABLE);

	if (*dir)
		return dir;
	if (!dev) {
		pin_why(why, -ENODEV, "no " PMEM_VARIABLE "=/dev/pmem0: boot with memmap=64M!1G, and modules nd_e820, nd_pmem");
		return NULL;
	}
	if (pin_scratch_mount(&fs, dev, dir, sizeof(dir), why)) {
		*dir = '\0';
		return NULL;
	}
	return dir;
}

/* Map a new file of @dir, for pin_bench_close() to undo. */
static int map_dax(struct pin_bench *b, const char *dir, const struct dax_subject *sub, char *why)
{
	const size_t len = sub->huge ? b->k->pmd_size :
					 (size_t)(PAGES * b->k->page_size);
	long before;
	char path[300];
	struct statx st;
	int err;

	err = pin_scratch_file(dir, "dax", 0, path, sizeof(path), why);
	if (err)
		return err;
	b->m.fd = open(path, O_RDWR | O_CLOEXEC);
	if (b->m.fd < 0 || statx(b->m.fd, "", AT_EMPTY_PATH, STATX_BASIC_STATS, &st))
		return pin_why(why, -errno, "%s: %s", path, strerror(errno));
	if (!(st.stx_attributes & STATX_ATTR_DAX))
		return pin_why(why, -EOPNOTSUPP, "files on %s are not DAX: kernel option FS_DAX",
			       getenv(PMEM_VARIABLE));
	if (fallocate(b->m.fd, 0, 0, len))
		return pin_why(why, -errno, "%s: %s", path, strerror(errno));
	b->m.map = mmap(NULL, len, PROT_READ | PROT_WRITE, sub->map, b->m.fd, 0);
	if (b->m.map == MAP_FAILED)
		return pin_why(why, -errno, "mmap of a DAX file: %s", strerror(errno));
	b->m.map_len = len;
	b->m.addr = b->m.map;
	b->m.len = len;
	b->m.pages = len / b->k->page_size;
	b->m.folio_pages = 1;
	before = pin_faults();
	/* A write would put an ordinary page there. */
	if (sub->map == MAP_PRIVATE)
		pin_bench_differ(b, 0);
	else
		pin_bench_write(b, 1);
	if (sub->huge && pin_faults() - before > 1)
		return pin_why(why, -EOPNOTSUPP, "the file is not mapped as a huge page: its blocks lie elsewhere");
	return 0;
}

/* Bytes of the file that the device has not changed to @value. */
static unsigned int file_differs(const struct pin_bench *b, char value)
{
	unsigned int n = 0;
	char byte;

	for (unsigned int i = 0; i < b->m.pages; i++)
		n += pread(b->m.fd, &byte, 1, i * b->k->page_size) != 1 || byte != value;
	return n;
}

/* The helper, and memory of a file on FS-DAX; false: skipped, and closed. */
static bool open_dax(struct pin_bench *b, struct pin_audit *au, const struct dax_subject *sub)
{
	char why[PIN_WHY_LEN];
	const char *dir;

	if (!pin_bench_open_helper(b, au))
		return false;
	dir = dax_dir(why);
	if (dir && !map_dax(b, dir, sub, why))
		return true;
	pin_audit_skip(au, "%s", why);
	pin_bench_close(b);
	return false;
}

/* It refuses what is not refused already. */
static void want_dax(struct pin_predict *want, const struct pin_bench *b)
{
	want->result = -EOPNOTSUPP;
	want->or_result = -EOPNOTSUPP;
	/* Looked at when it is pinned (52650c8b466b). */
	if (b->k->version < PIN_KVER(5, 11)) {
		want->acquired = b->m.pages;
		want->released = b->m.pages;
	}
}

/*
 * The file system may want to give these pages, which are blocks, to another
 * file: it waits for short-term pins, and cannot wait for long-term ones.
 */
static enum pin_verdict dax(struct pin_audit *au, const void *arg)
{
	const struct dax_subject *sub = arg;
	struct pin_predict want = { .acquired = 0 };
	unsigned int handle;
	struct pin_bench b;
	int err;

	if (!open_dax(&b, au, sub))
		return PIN_SKIP;
	if (sub->allowed)
		want = (struct pin_predict){ .acquired = b.m.pages };
	else
		want_dax(&want, &b);
	err = pin_helper_take_all(b.fd, sub->way, sub->flags, b.m.addr, b.m.len, &handle);
	if (pin_audit_step(au, "pin", &want, err, 0) && !err) {
		if (sub->flags & PIN_HELPER_WRITE) {
			err = pin_helper_fill(b.fd, handle, 0, 0, b.m.len, 'd');
			if (err || file_differs(&b, 'd'))
				pin_audit_fail(au, "the file does not have what the device wrote");
		}
		pin_bench_step(&b, "unpin", 0, b.m.pages,
			       pin_helper_give_all(b.fd, handle, PIN_HELPER_GIVE_PAGES, 0));
	}
	pin_bench_close(&b);
	return PIN_PASS;
}

/*
 * What is refused is so behind anonymous memory that was never touched, too: the slow walk,
 * which gets all of it, comes from one mapping to the next, and has to ask of each.
 */
struct behind {
	const char *name, *kind;	/* kind: NULL for FS-DAX */
	unsigned int way, flags;
};

/* Move the memory of @b to behind other memory: the whole is like one with a hole. */
static int put_behind(struct pin_bench *b, bool touch)
{
	const size_t ps = b->k->page_size, front = PAGES * ps, len = b->m.map_len;
	char *p = mmap(NULL, front + len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
		       -1, 0);

	if (p == MAP_FAILED)
		return -errno;
	if (madvise(p, front, MADV_NOHUGEPAGE) ||
	    madvise(p + ps, front - ps, MADV_DONTDUMP) ||
	    mremap(b->m.map, len, len, MREMAP_MAYMOVE | MREMAP_FIXED, p + front) == MAP_FAILED) {
		munmap(p, front);
		return -errno;
	}
	/* Who only reads may get the zero page, which is not counted everywhere. */
	if (touch)
		memset(p, 1, front);
	b->m.kind = pin_memkind_find("hole");
	b->m.kernel = b->k;
	b->m.map = p;
	b->m.map_len += front;
	b->m.addr = p;
	b->m.len = b->m.map_len;
	b->m.pages = b->m.len / ps;
	b->m.hole = PAGES;
	return 0;
}

static enum pin_verdict refused_behind(struct pin_audit *au, const void *arg)
{
	static const struct dax_subject on_dax = { .map = MAP_SHARED };
	const struct behind *t = arg;
	const struct pin_access access = {
		.write = t->flags & PIN_HELPER_WRITE, .longterm = true,
		.fast = t->way == PIN_HELPER_PIN_FAST,
	};
	struct pin_predict want = { .acquired = 0 };
	struct pin_op op = { .consumer = NULL };
	unsigned int handle;
	struct pin_bench b;
	int err;

	if (t->kind ? !pin_bench_open(&b, au, t->kind, PAGES) : !open_dax(&b, au, &on_dax))
		return PIN_SKIP;
	if (t->kind && !strcmp(t->kind, "file_shared") && !b.k->longterm_file_refused) {
		pin_bench_close(&b);
		return pin_audit_skip(au, "Linux 6.5 and later refuse this, this kernel does not");
	}
	err = put_behind(&b, !access.write);
	if (err) {
		pin_audit_fail(au, "mremap: %s", strerror(-err));
	} else {
		op.kernel = b.k;
		op.mem = &b.m;
		pin_predict_all_or_nothing(&op, &access, &want);
		if (!t->kind)
			want_dax(&want, &b);
		err = pin_helper_take_all(b.fd, t->way, t->flags, b.m.addr, b.m.len, &handle);
		pin_audit_step(au, "long-term pin", &want, err, 0);
	}
	pin_bench_close(&b);
	return PIN_PASS;
}

static const struct behind behinds[] = {
	{ "refused.behind.file_shared.slow.write", "file_shared", PIN_HELPER_PIN,
	  PIN_HELPER_WRITE | PIN_HELPER_LONGTERM },
	{ "refused.behind.file_shared.fast.write", "file_shared", PIN_HELPER_PIN_FAST,
	  PIN_HELPER_WRITE | PIN_HELPER_LONGTERM },
	{ "refused.behind.secretmem.slow.read", "secretmem", PIN_HELPER_PIN, PIN_HELPER_LONGTERM },
	{ "refused.behind.fsdax.slow.write", NULL, PIN_HELPER_PIN,
	  PIN_HELPER_WRITE | PIN_HELPER_LONGTERM },
	{ "refused.behind.fsdax.fast.write", NULL, PIN_HELPER_PIN_FAST,
	  PIN_HELPER_WRITE | PIN_HELPER_LONGTERM },
	{ "refused.behind.fsdax.slow.read", NULL, PIN_HELPER_PIN, PIN_HELPER_LONGTERM },
};

static const struct dax_subject daxes[] = {
	{ .name = "refused.fsdax.fast.write", .way = PIN_HELPER_PIN_FAST,
	  .flags = PIN_HELPER_WRITE | PIN_HELPER_LONGTERM, .map = MAP_SHARED },
	{ .name = "refused.fsdax.slow.write", .way = PIN_HELPER_PIN,
	  .flags = PIN_HELPER_WRITE | PIN_HELPER_LONGTERM, .map = MAP_SHARED },
	{ .name = "refused.fsdax.fast.read", .way = PIN_HELPER_PIN_FAST,
	  .flags = PIN_HELPER_LONGTERM, .map = MAP_SHARED },
	{ .name = "refused.fsdax.slow.read", .way = PIN_HELPER_PIN,
	  .flags = PIN_HELPER_LONGTERM, .map = MAP_SHARED },
	{ .name = "refused.fsdax_huge.fast.write", .way = PIN_HELPER_PIN_FAST,
	  .flags = PIN_HELPER_WRITE | PIN_HELPER_LONGTERM, .map = MAP_SHARED, .huge = true },
	{ .name = "refused.fsdax_private.fast.read", .way = PIN_HELPER_PIN_FAST,
	  .flags = PIN_HELPER_LONGTERM, .map = MAP_PRIVATE },
	{ .name = "refused.fsdax_private.slow.write", .way = PIN_HELPER_PIN,
	  .flags = PIN_HELPER_WRITE | PIN_HELPER_LONGTERM, .map = MAP_PRIVATE },
	{ .name = "allowed.fsdax.fast.write", .way = PIN_HELPER_PIN_FAST,
	  .flags = PIN_HELPER_WRITE, .map = MAP_SHARED, .allowed = true },
	{ .name = "allowed.fsdax.slow.write", .way = PIN_HELPER_PIN,
	  .flags = PIN_HELPER_WRITE, .map = MAP_SHARED, .allowed = true },
	{ .name = "allowed.fsdax.fast.read", .way = PIN_HELPER_PIN_FAST,
	  .map = MAP_SHARED, .allowed = true },
	{ .name = "allowed.fsdax_huge.fast.write", .way = PIN_HELPER_PIN_FAST,
	  .flags = PIN_HELPER_WRITE, .map = MAP_SHARED, .allowed = true, .huge = true },
	{ .name = "allowed.fsdax_huge.slow.write", .way = PIN_HELPER_PIN,
	  .flags = PIN_HELPER_WRITE, .map = MAP_SHARED, .allowed = true, .huge = true },
	{ .name = "allowed.fsdax_huge.fast.read", .way = PIN_HELPER_PIN_FAST,
	  .map = MAP_SHARED, .allowed = true, .huge = true },
};

/*
 * And it does wait for the short-term ones: as long as a page is pinned, it is the
 * file's, whoever wants to cut that.
 */
struct dax_cut {
	const char *name;
	int fallocate;		/* its flags, for the first half; 0: truncate to that */
	bool huge;
	bool killed;		/* who wants it, as it waits */
	unsigned int halves;	/* are left, with ... */
	char has[2];		/* ... these bytes: 'a' and 'b' before */
};

static int cut(const struct dax_cut *c, int fd, size_t len)
{
	const int err = c->fallocate ? fallocate(fd, c->fallocate, 0, len / 2) :
				       ftruncate(fd, len / 2);

	return err ? -errno : 0;
}

static pid_t start_cut(const struct dax_cut *c, const struct pin_bench *b)
{
	pid_t pid = fork();

	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		pin_scratch_disown();
		_exit(-cut(c, b->m.fd, b->m.len));
	}
	return pid;
}

/* True if it has ended in that time. It is not waited for: it remains as it is. */
static bool ends_within(pid_t pid, uint64_t ns)
{
	const uint64_t deadline = pin_now_ns() + ns;
	siginfo_t info = { .si_pid = 0 };

	do {
		if (waitid(P_PID, pid, &info, WEXITED | WNOHANG | WNOWAIT) || info.si_pid)
			return true;
		pin_sleep_ns(MS);
	} while (pin_now_ns() < deadline);
	return false;
}

/* Nothing else on its way waits so that a signal would end it. */
static bool sleeps(pid_t pid)
{
	char path[32], stat[128] = "", *end;
	ssize_t len = -1;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0) {
		len = read(fd, stat, sizeof(stat) - 1);
		close(fd);
	}
	end = len > 0 ? strrchr(stat, ')') : NULL;
	return end && end[1] == ' ' && end[2] == 'S';
}

/* It comes to where it waits, and stays there; all of the file is there still. */
static void at_it(struct pin_bench *b, const char *what, pid_t pid)
{
	const uint64_t deadline = pin_now_ns() + WAITS_NS;
	struct stat st;

	while (!sleeps(pid) && !ends_within(pid, MS) && pin_now_ns() < deadline)
		;
	if (ends_within(pid, DWELL_NS))
		pin_audit_fail(b->au, "%s: who cuts the file does not wait for that", what);
	else if (!sleeps(pid))
		pin_audit_fail(b->au, "%s: who cuts the file neither waits nor ends", what);
	else if (fstat(b->m.fd, &st) || (size_t)st.st_size != b->m.len ||
		 (size_t)st.st_blocks * 512 < b->m.len)
		pin_audit_fail(b->au, "%s: the file is cut already", what);
}

/* Its result, within some time; or 0 if it can be killed, as is wanted. */
static int end_cut(struct pin_bench *b, pid_t pid, bool killed)
{
	int status;

	if (killed)
		kill(pid, SIGKILL);
	if (!ends_within(pid, WAITS_NS)) {
		pin_audit_fail(b->au, "who cuts the file still waits");
		kill(pid, SIGKILL);
	}
	if (waitpid(pid, &status, 0) != pid)
		return -ECHILD;
	if (killed)
		return WIFSIGNALED(status) ? 0 : -EIO;
	return WIFEXITED(status) ? -WEXITSTATUS(status) : -EINTR;
}

static void expect_left(struct pin_bench *b, unsigned int halves, const char *has)
{
	const size_t half = b->m.pages / 2, page = b->k->page_size;
	unsigned int wrong = 0;
	struct stat st;
	char byte;

	if (fstat(b->m.fd, &st) || (size_t)st.st_size != halves * half * page)
		pin_audit_fail(b->au, "the file has %lld bytes, predicted %zu",
			       (long long)st.st_size, halves * half * page);
	for (size_t i = 0; i < halves * half; i++)
		wrong += pread(b->m.fd, &byte, 1, i * page) != 1 || byte != has[i / half];
	if (wrong)
		pin_audit_fail(b->au, "%u pages of the file have other data", wrong);
}

static void cut_while_pinned(struct pin_bench *b, const struct dax_cut *c, unsigned int handle)
{
	/* The last one to be let go is one that is to go. */
	const unsigned int all = b->m.pages, last = c->fallocate ? 0 : all - 1;
	pid_t pid;
	int err;

	err = pin_helper_fill(b->fd, handle, 0, 0, b->m.len / 2, 'a') ?:
	      pin_helper_fill(b->fd, handle, 0, b->m.len / 2, b->m.len / 2, 'b');
	pin_bench_step(b, "the device writes", 0, 0, err);
	pid = start_cut(c, b);
	if (pid < 0) {
		pin_audit_fail(b->au, "fork: %s", strerror(errno));
		pin_bench_step(b, "unpin", 0, all, pin_helper_release(b->fd, handle));
		return;
	}
	at_it(b, "all are pinned", pid);
	pin_bench_step(b, "the file is to be cut", 0, 0, 0);
	err = pin_helper_give_some(b->fd, handle, PIN_HELPER_GIVE_PAGES, 0, !last, all - 1);
	pin_bench_step(b, "unpin all but one", 0, all - 1, err);
	at_it(b, "one is pinned", pid);
	if (c->killed)
		pin_bench_step(b, "killed", 0, 0, end_cut(b, pid, true));
	pin_bench_step(b, "unpin the last", 0, 1, pin_helper_release(b->fd, handle));
	if (!c->killed)
		pin_bench_step(b, "the file is cut", 0, 0, end_cut(b, pid, false));
	expect_left(b, c->halves, c->has);
}

static enum pin_verdict cut_waits(struct pin_audit *au, const void *arg)
{
	const struct dax_cut *c = arg;
	const struct dax_subject sub = { .map = MAP_SHARED, .huge = c->huge };
	unsigned int handle;
	struct pin_bench b;
	int err;

	if (!open_dax(&b, au, &sub))
		return PIN_SKIP;
	err = pin_helper_take_all(b.fd, PIN_HELPER_PIN_FAST, PIN_HELPER_WRITE, b.m.addr, b.m.len,
				  &handle);
	pin_bench_step(&b, "pin", b.m.pages, 0, err);
	if (!err)
		cut_while_pinned(&b, c, handle);
	pin_bench_close(&b);
	return PIN_PASS;
}

static const struct dax_cut cuts[] = {
	{ "waits.fsdax.truncate", .halves = 1, .has = { 'a' } },
	{ "waits.fsdax.punch", .fallocate = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
	  .halves = 2, .has = { 0, 'b' } },
	{ "waits.fsdax.zero", .fallocate = FALLOC_FL_ZERO_RANGE, .halves = 2, .has = { 0, 'b' } },
	{ "waits.fsdax.collapse", .fallocate = FALLOC_FL_COLLAPSE_RANGE, .halves = 1,
	  .has = { 'b' } },
	{ "waits.fsdax.killed", .killed = true, .halves = 2, .has = { 'a', 'b' } },
	{ "waits.fsdax_huge.truncate", .huge = true, .halves = 1, .has = { 'a' } },
};

/* --- what must move first --- */

static unsigned int moved(const struct pin_helper_page *a, const struct pin_helper_page *b,
			  unsigned int nr)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < nr; i++)
		n += a[i].pfn != b[i].pfn;
	return n;
}

/* Take what each CPU keeps at hand of @node: behind it comes CMA, if that is large. */
static void *hog(int node, size_t len)
{
	char *p = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		return p;
	if (numa_available() >= 0)
		numa_tonode_memory(p, len, node);
	madvise(p, len, MADV_NOHUGEPAGE);
	memset(p, 1, len);
	return p;
}

/*
 * A buffer of which at least a part is in memory that must stay movable, or skip.
 * CMA is on some node only.
 */
static struct pin_helper_page *open_movable(struct pin_bench *b, struct pin_audit *au,
					    const char *kind, unsigned int *nr)
{
	const struct pin_counters *c = pin_audit_counters(au);
	struct pin_helper_page *pages;

	if (!pin_audit_kernel(au)->movable_memory) {
		pin_audit_skip(au, "no memory in ZONE_MOVABLE and no CMA: boot with movablecore= or cma=, or a guest with --movable");
		return NULL;
	}
	for (int i = c->nr_nodes - 1; i >= 0 || !c->nr_nodes; i--) {
		const int node = c->nr_nodes ? c->node_id[i] : 0;
		const struct pin_kernel *k = pin_audit_kernel(au);
		const size_t len = k->cma[0].end_pfn ? HOG_PAGES * k->page_size : 0;
		void *p = len ? hog(node, len) : MAP_FAILED;
		const bool open = pin_bench_open_on(b, au, kind, PAGES, node);

		if (p != MAP_FAILED)
			munmap(p, len);
		if (!open)
			return NULL;
		pages = pin_bench_look(b);
		*nr = pages ? in_movable(b, pages, b->m.pages) : 0;
		if (*nr)
			return pages;
		free(pages);
		pin_bench_close(b);
		if (!c->nr_nodes)
			break;
	}
	pin_audit_skip(au, "the kernel gave no page of ZONE_MOVABLE or CMA");
	return NULL;
}

/* Leave the second half of the last huge page, and what is behind it. Returns pages cut off. */
static unsigned int cut_mid(struct pin_bench *b)
{
	const unsigned int rest = b->m.folio_pages / 2 + b->m.after, skip = b->m.pages - rest;

	pin_mem_cut(&b->m, skip * b->k->page_size, rest * b->k->page_size);
	return skip;
}

static enum pin_verdict moves_out(struct pin_audit *au, const void *arg)
{
	const struct subject *sub = arg;
	const bool longterm = sub->flags & PIN_HELPER_LONGTERM;
	struct pin_helper_page *before, *after;
	struct pin_predict want = { .acquired = 0 };
	unsigned int movable, handle = 0, skip = 0;
	struct pin_bench b;
	int err;

	if (longterm && pin_audit_kernel(au)->version < MOVES_SINCE)
		return pin_audit_skip(au, "Linux 5.13 and later move pages out of ZONE_MOVABLE, this kernel does not");
	before = open_movable(&b, au, sub->kind, &movable);
	if (!before)
		return PIN_SKIP;
	if (b.m.after)
		skip = cut_mid(&b);
	movable = in_movable(&b, before + skip, b.m.pages);
	pin_view_drain_lru();
	err = pin_helper_take_all(b.fd, sub->way, sub->flags, b.m.addr, b.m.len, &handle);
	/* All are pinned and dropped, and after the move pinned again. */
	want.acquired = b.m.pages + (longterm ? b.m.pages : 0);
	want.released = longterm ? b.m.pages : 0;
	pin_audit_step(au, longterm ? "long-term pin" : "short-term pin", &want, err, 0);
	after = err ? NULL : pin_bench_look(&b);
	if (after) {
		unsigned int still = in_movable(&b, after, b.m.pages);
		unsigned int others = moved(before + skip, after, b.m.pages);

		if (longterm && still)
			pin_audit_fail(au, "%u pages are pinned for long in memory that must stay movable",
				       still);
		if (longterm && others < movable)
			pin_audit_fail(au, "%u pages were in memory that must stay movable, only %u moved",
				       movable, others);
		if (!longterm && others)
			pin_audit_fail(au, "%u pages moved for a short-term pin", others);
		if (pin_bench_differ(&b, 1) && strcmp(sub->kind, "hugetlb"))
			pin_audit_fail(au, "the data did not move with the pages");
		free(after);
	}
	if (!err)
		pin_bench_step(&b, "unpin", 0, b.m.pages,
			       pin_helper_give_all(b.fd, handle, PIN_HELPER_GIVE_PAGES, 0));
	/* Not in movable memory any more: the next pin counts once. */
	if (!err && longterm) {
		err = pin_helper_take_all(b.fd, sub->way, sub->flags, b.m.addr, b.m.len, &handle);
		pin_bench_step(&b, "pin again", b.m.pages, 0, err);
		if (!err)
			pin_bench_step(&b, "unpin again", 0, b.m.pages,
				       pin_helper_release(b.fd, handle));
	}
	free(before);
	pin_bench_close(&b);
	return PIN_PASS;
}

/* Folios of a memfd by file and offset: for long, without being asked. */
static const struct subject by_file = { "memfd", PIN_HELPER_PIN_MEMFD, PIN_HELPER_WRITE, false };

static int take_long(const struct pin_bench *b, const struct subject *sub, unsigned int *handle)
{
	struct pin_helper_take take = {
		.way = sub->way, .flags = sub->flags, .target = b->m.fd,
		.addr = (char *)b->m.addr - (char *)b->m.map, .length = b->m.len,
	};
	int err;

	if (sub != &by_file)
		return pin_helper_take_all(b->fd, sub->way, sub->flags, b->m.addr, b->m.len,
					   handle);
	err = pin_helper_take(b->fd, &take);
	*handle = take.handle;
	return err;
}

static bool can_take(struct pin_audit *au, const struct subject *sub)
{
	char why[PIN_WHY_LEN];
	int fd = pin_helper_open_for(sub->way, why);

	if (fd < 0)
		pin_audit_skip(au, "%s", why);
	else
		close(fd);
	return fd >= 0;
}

/* These are pinned, dropped, moved and pinned again. */
static enum pin_verdict moves_folios(struct pin_audit *au, const void *arg)
{
	struct pin_helper_page *before, *after;
	unsigned int movable, handle;
	struct pin_bench b;
	int err;

	(void)arg;
	if (!can_take(au, &by_file))
		return PIN_SKIP;
	before = open_movable(&b, au, by_file.kind, &movable);
	if (!before)
		return PIN_SKIP;
	pin_view_drain_lru();
	err = take_long(&b, &by_file, &handle);
	pin_bench_step(&b, "pin", 2 * b.m.pages, b.m.pages, err);
	after = err ? NULL : pin_bench_look(&b);
	if (after && in_movable(&b, after, b.m.pages))
		pin_audit_fail(au, "folios are pinned in memory that must stay movable");
	if (after && moved(before, after, b.m.pages) < movable)
		pin_audit_fail(au, "%u folios were in memory that must stay movable, only %u moved",
			       movable, moved(before, after, b.m.pages));
	if (after && pin_bench_differ(&b, 1))
		pin_audit_fail(au, "the data did not move with the folios");
	if (!err)
		pin_bench_step(&b, "unpin", 0, b.m.pages,
			       pin_helper_give_all(b.fd, handle, PIN_HELPER_GIVE_FOLIOS, 0));
	free(after);
	free(before);
	pin_bench_close(&b);
	return PIN_PASS;
}

/* Somebody else's reference keeps a page from moving: an error, no pin stays. */
static enum pin_verdict cannot_move(struct pin_audit *au, const void *arg)
{
	const struct subject *sub = arg;
	struct pin_predict want = {
		.migrated = 64 * PAGES, .result = -ENOMEM, .or_result = -ENOMEM,
	};
	unsigned int movable, got, handle;
	struct pin_helper_page *pages;
	struct pin_bench b;
	int err;

	if (pin_audit_kernel(au)->version < MOVES_SINCE)
		return pin_audit_skip(au, "Linux 5.13 and later move pages out of ZONE_MOVABLE, this kernel does not");
	if (!can_take(au, sub))
		return PIN_SKIP;
	pages = open_movable(&b, au, sub->kind, &movable);
	if (!pages)
		return PIN_SKIP;
	/* One reference, on a page in the middle. */
	err = pin_helper_take_all(b.fd, PIN_HELPER_GET, PIN_HELPER_WRITE,
				  (char *)b.m.addr + PAGES / 2 * b.k->page_size,
				  b.k->page_size, &got);
	pin_bench_step(&b, "get", 0, 0, err);
	err = take_long(&b, sub, &handle);
	/* The number of attempts is the kernel's; what counts is the balance. */
	pin_audit_step(au, "long-term pin", &want, err, 0);
	free(pages);
	pages = pin_bench_look(&b);
	for (unsigned int i = 0; pages && i < b.m.pages; i++) {
		if (pages[i].flags & PIN_HELPER_PAGE_MAYBE_PINNED)
			pin_audit_fail(au, "page %u is still maybe_dma_pinned: refcount %d",
				       i, pages[i].refcount);
	}
	pin_helper_release(b.fd, got);
	free(pages);
	pin_bench_close(&b);
	return PIN_PASS;
}

/*
 * Two threads pin the same page for long: what one of them has isolated to
 * move it, the other cannot isolate. It must not take that for moved. Page by
 * page, or each of the two isolates some.
 */
struct together {
	const struct pin_bench *b;
	atomic_uint arrived;
	struct pinner {
		pthread_t thread;
		struct together *all;
		int fd;		/* of its own: the helper does one thing at a time for each */
		unsigned int handle[PAGES];
		int err[PAGES];
	} pinner[2];
};

static void *pin_together(void *arg)
{
	struct pinner *p = arg;
	struct together *t = p->all;
	const size_t ps = t->b->k->page_size;

	for (unsigned int i = 0; i < t->b->m.pages; i++) {
		atomic_fetch_add(&t->arrived, 1);
		while (atomic_load(&t->arrived) < 2 * (i + 1))
			sched_yield();
		p->err[i] = pin_helper_take_all(p->fd, PIN_HELPER_PIN_FAST,
						PIN_HELPER_WRITE | PIN_HELPER_LONGTERM,
						(char *)t->b->m.addr + i * ps, ps, &p->handle[i]);
	}
	return NULL;
}

/* Pages that are pinned for long where they may not stay. */
static unsigned int pin_by_two(struct pin_bench *b)
{
	struct together t = { .b = b };
	struct pin_helper_page *pages;
	unsigned int wrong = 0;
	char why[PIN_WHY_LEN];

	pin_view_drain_lru();
	for (int i = 0; i < 2; i++) {
		t.pinner[i].all = &t;
		t.pinner[i].fd = pin_helper_open(why);
		if (t.pinner[i].fd < 0)
			abort();
		if (pthread_create(&t.pinner[i].thread, NULL, pin_together, &t.pinner[i]))
			abort();
	}
	for (int i = 0; i < 2; i++)
		pthread_join(t.pinner[i].thread, NULL);
	pages = pin_bench_look(b);
	for (unsigned int i = 0; i < b->m.pages; i++) {
		if (pages && (!t.pinner[0].err[i] || !t.pinner[1].err[i]))
			wrong += in_movable(b, &pages[i], 1);
		for (int j = 0; j < 2; j++) {
			const int err = t.pinner[j].err[i];

			if (!err)
				pin_helper_release(t.pinner[j].fd, t.pinner[j].handle[i]);
			else if (err != -ENOMEM && err != -EAGAIN && err != -EBUSY)
				pin_audit_fail(b->au, "long-term pin: %s", strerror(-err));
		}
	}
	for (int i = 0; i < 2; i++)
		close(t.pinner[i].fd);
	free(pages);
	return wrong;
}

static enum pin_verdict two_pinners(struct pin_audit *au, const void *arg)
{
	static const struct pin_predict balance = { .migrated = UINT64_MAX / 4 };
	struct pin_helper_page *before;
	unsigned int movable, wrong = 0, round;
	struct pin_bench b;

	(void)arg;
	if (pin_audit_kernel(au)->version < MOVES_SINCE)
		return pin_audit_skip(au, "Linux 5.13 and later move pages out of ZONE_MOVABLE, this kernel does not");
	for (round = 0; round < RACE_ROUNDS && !wrong; round++) {
		before = open_movable(&b, au, "anon", &movable);
		if (!before)
			return PIN_SKIP;
		free(before);
		wrong = pin_by_two(&b);
		pin_bench_close(&b);
	}
	if (wrong)
		pin_audit_fail(au, "round %u: %u pages are pinned for long in ZONE_MOVABLE",
			       round, wrong);
	pin_audit_step(au, "all released", &balance, 0, 0);
	return PIN_PASS;
}

static const struct subject fresh_secret = {
	"secretmem", PIN_HELPER_PIN_FAST, 0, false,
};

static const struct subject refusals[] = {
	{ "file_shared", PIN_HELPER_PIN, PIN_HELPER_WRITE, false },
	{ "file_shared", PIN_HELPER_PIN_FAST, PIN_HELPER_WRITE, false },
	{ "secretmem", PIN_HELPER_PIN, 0, false },
	{ "secretmem", PIN_HELPER_PIN_FAST, 0, false },
	{ "secretmem", PIN_HELPER_PIN, PIN_HELPER_WRITE, false },
	{ "secretmem", PIN_HELPER_PIN_FAST, PIN_HELPER_WRITE, false },
};

static const struct subject allowances[] = {
	{ "file_shared", PIN_HELPER_PIN, PIN_HELPER_WRITE, false },
	{ "file_shared", PIN_HELPER_PIN, PIN_HELPER_LONGTERM, false },
	{ "file_shared", PIN_HELPER_PIN_FAST, PIN_HELPER_LONGTERM, true },
	{ "file_private", PIN_HELPER_PIN_FAST, PIN_HELPER_LONGTERM, true },
	{ "file_private", PIN_HELPER_PIN_FAST, PIN_HELPER_WRITE | PIN_HELPER_LONGTERM, false },
	{ "memfd", PIN_HELPER_PIN_FAST, PIN_HELPER_WRITE | PIN_HELPER_LONGTERM, false },
};

static const struct subject movers[] = {
	{ "anon", PIN_HELPER_PIN_FAST, PIN_HELPER_WRITE | PIN_HELPER_LONGTERM, false },
	{ "anon", PIN_HELPER_PIN, PIN_HELPER_WRITE | PIN_HELPER_LONGTERM, false },
	{ "anon", PIN_HELPER_PIN, PIN_HELPER_LONGTERM, false },
	{ "anon", PIN_HELPER_PIN_FAST, PIN_HELPER_WRITE, false },
	{ "memfd", PIN_HELPER_PIN_FAST, PIN_HELPER_WRITE | PIN_HELPER_LONGTERM, false },
	{ "shmem", PIN_HELPER_PIN_FAST, PIN_HELPER_WRITE | PIN_HELPER_LONGTERM, false },
	{ "thp", PIN_HELPER_PIN_FAST, PIN_HELPER_WRITE | PIN_HELPER_LONGTERM, false },
	{ "thp", PIN_HELPER_PIN_FAST, PIN_HELPER_WRITE, false },
	{ "hugetlb", PIN_HELPER_PIN_FAST, PIN_HELPER_WRITE | PIN_HELPER_LONGTERM, false },
	{ "hugetlb", PIN_HELPER_PIN_FAST, PIN_HELPER_WRITE, false },
	/* Whose folio is looked at once, and not counted as longer than it is. */
	{ "thp_row", PIN_HELPER_PIN_FAST, PIN_HELPER_WRITE | PIN_HELPER_LONGTERM, false },
	{ "thp_row", PIN_HELPER_PIN, PIN_HELPER_LONGTERM, false },
	{ "thp_row_pte", PIN_HELPER_PIN_FAST, PIN_HELPER_WRITE | PIN_HELPER_LONGTERM, false },
	{ "thp_row_pte", PIN_HELPER_PIN, PIN_HELPER_WRITE | PIN_HELPER_LONGTERM, false },
};

static const char *way_name(const struct subject *sub)
{
	return sub->way == PIN_HELPER_PIN ? "slow" : "fast";
}

static const char *access_name(const struct subject *sub)
{
	return sub->flags & PIN_HELPER_WRITE ? "write" : "read";
}

static void add_tests(struct pin_suite *s)
{
	for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++)
		pin_suite_add(s, refused, &refusals[i], "refused.%s.%s.%s", refusals[i].kind,
			      way_name(&refusals[i]), access_name(&refusals[i]));
	pin_suite_add(s, refused_fresh, &fresh_secret, "refused.secretmem.fresh");
	for (size_t i = 0; i < sizeof(behinds) / sizeof(behinds[0]); i++)
		pin_suite_add(s, refused_behind, &behinds[i], "%s", behinds[i].name);
	pin_suite_add(s, refused_writable, NULL, "refused.file_shared.writable");
	for (size_t i = 0; i < sizeof(allowances) / sizeof(allowances[0]); i++)
		pin_suite_add(s, allowed, &allowances[i], "allowed.%s.%s.%s",
			      allowances[i].kind, way_name(&allowances[i]),
			      access_name(&allowances[i]));
	for (size_t i = 0; i < sizeof(daxes) / sizeof(daxes[0]); i++)
		pin_suite_add(s, dax, &daxes[i], "%s", daxes[i].name);
	for (size_t i = 0; i < sizeof(cuts) / sizeof(cuts[0]); i++)
		pin_suite_add(s, cut_waits, &cuts[i], "%s", cuts[i].name);
	for (size_t i = 0; i < sizeof(movers) / sizeof(movers[0]); i++) {
		bool longterm = movers[i].flags & PIN_HELPER_LONGTERM;

		pin_suite_add(s, moves_out, &movers[i], "%s.%s.%s.%s",
			      longterm ? "moves" : "stays", movers[i].kind,
			      way_name(&movers[i]), access_name(&movers[i]));
	}
	pin_suite_add(s, moves_folios, NULL, "moves.memfd.folios");
	pin_suite_add(s, cannot_move, &movers[0], "cannot_move.anon.fast");
	pin_suite_add(s, cannot_move, &movers[1], "cannot_move.anon.slow");
	pin_suite_add(s, cannot_move, &movers[4], "cannot_move.memfd");
	pin_suite_add(s, cannot_move, &by_file, "cannot_move.memfd.folios");
	pin_suite_add(s, two_pinners, NULL, "moves.two_at_once");
}

static void setup(struct pin_suite *s)
{
	pin_bench_setup(s, HUGEPAGES);
}

int main(int argc, char **argv)
{
	static const struct pin_program program = {
		.name = "longterm_test",
		.doc = "Long-term pins: where they are refused, and that pages leave memory that must stay movable before they are pinned. And that a file on FS-DAX is not cut while its pages are pinned for a short time.",
		.add_tests = add_tests,
		.setup = setup,
	};

	return pin_suite_main(&program, argc, argv);
}
