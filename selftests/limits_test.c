// SPDX-License-Identifier: GPL-2.0
/*
 * Limits: every consumer meets a full table of file descriptors, an address
 * space that may not grow, RLIMIT_MEMLOCK as an ordinary user, a full control
 * group, more pages than the machine has, and a length that no table of pages
 * can be made for. It may refuse; it must give back what it took, pins and
 * what it charged for them.
 */
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/sysinfo.h>
#include <unistd.h>

#include "actor.h"
#include "attempt.h"
#include "bench.h"
#include "probe.h"
#include "proc.h"
#include "scratch.h"

#define PAGES		40
#define HUGEPAGES	2
#define ROUNDS		4
#define DWELL_NS	100000000ull
#define MEMLOCK_PAGES	128
#define AGAIN		12
#define RING_PAGES	32	/* that kernels charge for rings, at most */
#define PAUSE_NS	5000000ull
#define LATE_NS		100000000ull	/* where each of many limits is tried */
#define LATEST_NS	10000000000ull
#define GIVEN_BACK_NS	10000000000ull /* memory of a ring comes back by a worker */
#define SLACKS		3	/* pages that a full group has left: 0 to 2 */
#define TOO_LONG_S	5
/* Long-term pins had a table of folios, of at most that many (until 6.12). */
#define MANY_PAGES	(524288 + 1)

#define CGROUP		"/sys/fs/cgroup"
#define PRESENT		16	/* pages, and as many behind them are not there yet */
#define HALF_SLACK	4	/* of these: the group pays for what the call allocates, too */
#define HALF_TRIES	20

/* What the actor found. */
struct found {
	unsigned int refused, succeeded;
	long result;		/* of the last refusal */
	char wrong[PIN_WHY_LEN];
};

struct limit {
	const char *name;
	/* In the actor: 0, -EOPNOTSUPP and @why: skip, or another failure. */
	long (*task)(const struct pin_actor *a, struct pin_op *op, long arg, char *why);
	bool held_only;		/* for consumers that hold their pins */
	bool momentary_only;	/* for those that do not */
	bool charged_only;	/* for those that charge their user */
	bool file_only;		/* for those that take memory by its file */
	bool address_only;	/* for those that do not */
	bool dies;		/* may end in a signal, which is no failure */
	const char *unable;	/* where it cannot be had at all: why */
};

static struct found *shared;
static char group[256], no_group[PIN_WHY_LEN];
static bool share_wanted;
static int share_fd = -1;		/* a file that a host shares by 9p, to be read directly */
static char no_share[PIN_WHY_LEN];

static void wrong(const char *what, long got, long predicted)
{
	if (!*shared->wrong)
		snprintf(shared->wrong, sizeof(shared->wrong), "%s returned %ld, predicted %ld",
			 what, got, predicted);
}

/* Count it. A refusal must be an error, and its pins must go with it. */
static void note_attempt(const struct pin_attempt *a)
{
	if (pin_attempt_succeeded(a)) {
		shared->succeeded++;
		if (a->used)
			wrong("pinned, but use", a->used, 0);
	} else {
		shared->refused++;
		shared->result = a->pinned;
	}
}

static long get_memory(struct pin_op *op, unsigned int pages, char *why)
{
	const struct pin_memkind *kind = pin_memkind_find(op->consumer->by_file ?
							  "memfd" : "anon");
	long err = pin_mem_alloc(op->mem, kind, op->kernel,
				 pin_consumer_pages(op->consumer, op->kernel, kind, pages));

	if (err)
		memcpy(why, op->mem->why, PIN_WHY_LEN);
	return err;
}

static long attempt(struct pin_op *op, const struct pin_strain *s, char *why)
{
	struct pin_attempt a;
	long err = pin_attempt(op, s, &a);

	if (err) {
		memcpy(why, op->why, PIN_WHY_LEN);
		return err;
	}
	note_attempt(&a);
	return 0;
}

/* --- RLIMIT_NOFILE and RLIMIT_AS: lowered for the one call --- */

static void set_soft(int resource, rlim_t cur)
{
	struct rlimit limit;

	getrlimit(resource, &limit);
	limit.rlim_cur = cur < limit.rlim_max ? cur : limit.rlim_max;
	setrlimit(resource, &limit);
}

static void begin_nofile(void *arg)
{
	(void)arg;
	pin_limit_descriptors(true);
}

static void end_nofile(void *arg)
{
	(void)arg;
	pin_limit_descriptors(false);
}

static void begin_as(void *arg)
{
	(void)arg;
	set_soft(RLIMIT_AS, 0);
}

static void end_as(void *arg)
{
	(void)arg;
	set_soft(RLIMIT_AS, RLIM_INFINITY);
}

static long with_strain(struct pin_op *op, struct pin_strain s, char *why)
{
	long err = get_memory(op, PAGES, why);

	for (s.stage = PIN_STAGE_PIN; !err && s.stage < PIN_NR_STAGES; s.stage++)
		err = attempt(op, &s, why);
	return err;
}

static long nofile(const struct pin_actor *a, struct pin_op *op, long arg, char *why)
{
	const struct pin_strain s = { .begin = begin_nofile, .end = end_nofile };

	return with_strain(op, s, why);
}

static long as(const struct pin_actor *a, struct pin_op *op, long arg, char *why)
{
	const struct pin_strain s = { .begin = begin_as, .end = end_as };

	return with_strain(op, s, why);
}

/* --- RLIMIT_MEMLOCK --- */

/* By default it is 64 KiB on 5.10. */
static long allow_locked(rlim_t bytes, char *why)
{
	struct rlimit limit;

	getrlimit(RLIMIT_MEMLOCK, &limit);
	if (limit.rlim_max >= bytes)
		return 0;
	limit.rlim_max = bytes;
	if (!setrlimit(RLIMIT_MEMLOCK, &limit))
		return 0;
	return pin_why(why, -errno, "%llu bytes of locked memory are needed (ulimit -Hl): %s",
		       (unsigned long long)bytes, strerror(errno));
}

/*
 * An attempt under the limit. What earlier ones have charged may come back late: it
 * is repeated until there is room to begin, and if @must until it succeeds.
 */
static long attempt_in_time(struct pin_op *op, bool must, char *why)
{
	const uint64_t deadline = pin_now_ns() + GIVEN_BACK_NS;
	const unsigned int before = shared->succeeded;
	long err;

	do {
		err = attempt(op, NULL, why);
		if (err ? err != -ENOMEM : !must || shared->succeeded != before)
			return err;
		pin_sleep_ns(1000000);
	} while (pin_now_ns() < deadline);
	if (!err)
		wrong("room for all, but pin", shared->result, 0);
	return err;
}

/* With memory of that kind, which is refused for another reason. */
static long attempts_with(struct pin_op *op, const char *kind, char *why)
{
	struct pin_mem *whole = op->mem, bad;
	long err = 0;

	op->mem = &bad;
	for (int i = 0; !err && i < ROUNDS; i++) {
		err = pin_mem_alloc(&bad, pin_memkind_find(kind), op->kernel, whole->pages);
		if (err)
			break;
		err = attempt_in_time(op, false, why);
		pin_mem_free(&bad);
	}
	op->mem = whole;
	return err;
}

/* As an ordinary user, with memory that may be locked, @times as much. */
static long prepare_memlock(struct pin_op *op, unsigned int times, char *why)
{
	long err = get_memory(op, MEMLOCK_PAGES, why);

	if (!err)
		err = allow_locked(times * (op->mem->pages + RING_PAGES) * op->kernel->page_size,
				   why);
	return err ?: pin_become_ordinary();
}

/* Enough: there must be room, as nothing has been used up by the refusals. */
static long room_for_all(struct pin_op *op, char *why)
{
	long err = 0;

	for (int i = 0; !err && !*shared->wrong && i < ROUNDS; i++)
		err = attempt_in_time(op, true, why);
	return err;
}

static long unless_not_allowed(long err)
{
	return err == -EACCES || err == -EPERM ? -EOPNOTSUPP : err;
}

/* Half of what is needed, often, and memory of which no page is to be had. */
static long memlock(const struct pin_actor *a, struct pin_op *op, long arg, char *why)
{
	long err = prepare_memlock(op, 1, why);

	if (!err)
		set_soft(RLIMIT_MEMLOCK, op->mem->pages / 2 * op->kernel->page_size);
	for (int i = 0; !err && i < ROUNDS; i++)
		err = attempt_in_time(op, false, why);
	if (!err)
		set_soft(RLIMIT_MEMLOCK, (op->mem->pages + RING_PAGES) * op->kernel->page_size);
	if (!err && !op->consumer->by_file)
		err = attempts_with(op, "anon_readonly", why);
	return unless_not_allowed(err ?: room_for_all(op, why));
}

/* Memory that ends in a hole: some of it can be pinned. */
static long memlock_hole(const struct pin_actor *a, struct pin_op *op, long arg, char *why)
{
	long err = prepare_memlock(op, 1, why);

	if (err)
		return unless_not_allowed(err);
	set_soft(RLIMIT_MEMLOCK, (op->mem->pages + RING_PAGES) * op->kernel->page_size);
	err = attempts_with(op, "hole", why);
	return unless_not_allowed(err ?: room_for_all(op, why));
}

/* Is a limit of @pages enough? 1, 0, or what open() failed with. */
static long fits(struct pin_op *op, unsigned int pages, char *why)
{
	struct pin_attempt a;
	long err;

	set_soft(RLIMIT_MEMLOCK, pages * op->kernel->page_size);
	err = pin_attempt(op, NULL, &a);
	if (err == -ENOMEM)
		return 0;	/* not even for a ring */
	if (err) {
		memcpy(why, op->why, PIN_WHY_LEN);
		return err;
	}
	if (a.pinned < 0) {
		shared->refused++;
		shared->result = a.pinned;
	} else {
		shared->succeeded++;
	}
	return a.pinned >= 0;
}

/* What some kernels charge for a ring besides, at most. */
static unsigned int most_for_ring(const struct pin_op *op)
{
	return strncmp(op->consumer->name, "uring_", 6) ? 0 : RING_PAGES;
}

/* The smallest limit that is enough beside @used pages, with @rings in all, or -errno. */
static long limit_needed(struct pin_op *op, unsigned int used, unsigned int rings, char *why)
{
	const unsigned int pages = used + op->mem->pages, ring = rings * most_for_ring(op);
	long fit = fits(op, pages - 1, why);
	uint64_t deadline;

	if (fit)
		return fit < 0 ? fit : pages - 1;
	for (unsigned int limit = pages; limit <= pages + ring; limit++) {
		/* What was charged before may be given back late. */
		deadline = pin_now_ns() + (ring ? LATE_NS : LATEST_NS);
		do {
			fit = fits(op, limit, why);
			if (fit)
				return fit < 0 ? fit : limit;
			pin_sleep_ns(PAUSE_NS);
		} while (pin_now_ns() < deadline);
	}
	return pages + ring + 1;
}

static void expect_limit(const struct pin_op *op, const char *what, long got, long least,
			 long most)
{
	if ((got < least || got > most) && !*shared->wrong)
		snprintf(shared->wrong, sizeof(shared->wrong),
			 "%u pages %s are pinned under a limit of %ld pages%s, predicted %ld",
			 op->mem->pages, what, got, got < least ? ", or of less" :
			 got > most ? ", or of more" : "", least);
}

/*
 * Just enough, and a page less: alone, beside as much that is pinned, and after another
 * user has let go of that: it is not he who was charged.
 */
static long memlock_exact(const struct pin_actor *a, struct pin_op *op, long arg, char *why)
{
	struct pin_op held = *op;
	struct pin_mem mem;
	long err, alone, beside, after, pages, ring;

	held.mem = &mem;
	err = get_memory(&held, MEMLOCK_PAGES, why) ?: prepare_memlock(op, 2, why);
	if (err)
		return unless_not_allowed(err);
	alone = limit_needed(op, 0, 1, why);
	if (alone < 0)
		return unless_not_allowed(alone);
	pages = op->mem->pages;
	ring = most_for_ring(op);
	expect_limit(op, "alone", alone, pages, pages + ring);
	set_soft(RLIMIT_MEMLOCK, RLIM_INFINITY);
	err = op->consumer->open ? op->consumer->open(&held) : 0;
	if (err)
		return pin_why(why, err, "%s", held.why);
	err = op->consumer->pin(&held);
	if (err < 0) {
		op->consumer->close(&held);
		return err;
	}
	beside = limit_needed(op, pages, 2, why);
	set_soft(RLIMIT_MEMLOCK, RLIM_INFINITY);
	err = pin_close_by_child(&held, getuid() + 1);
	if (beside < 0 || err)
		return beside < 0 ? beside : pin_why(why, -ECHILD, "the child: %ld", err);
	expect_limit(op, "beside as many", beside, 2 * pages, 2 * (pages + ring));
	after = limit_needed(op, 0, 1, why);
	if (after < 0)
		return after;
	expect_limit(op, "after as many", after, pages, pages + ring);
	return 0;
}

/* What nobody was charged for, as he may have what there is, is not given back to him. */
static long memlock_privileged(const struct pin_actor *a, struct pin_op *op, long arg, char *why)
{
	long err = get_memory(op, MEMLOCK_PAGES, why), needed;

	if (!err)
		err = allow_locked((op->mem->pages + RING_PAGES) * op->kernel->page_size, why);
	if (!err)
		err = pin_become_somebody();
	for (int i = 0; !err && i < ROUNDS; i++)
		err = attempt(op, NULL, why);
	if (!err)
		err = pin_become_ordinary();
	if (err)
		return unless_not_allowed(err);
	/* What is given back though it was not charged may be late. */
	pin_sleep_ns(DWELL_NS);
	needed = limit_needed(op, 0, 1, why);
	if (needed < 0)
		return unless_not_allowed(needed);
	expect_limit(op, "after a privileged process has pinned as many", needed, op->mem->pages,
		     op->mem->pages + most_for_ring(op));
	return 0;
}

/* Many times more in all than there is room for at once. */
static long memlock_again(const struct pin_actor *a, struct pin_op *op, long arg, char *why)
{
	long err = prepare_memlock(op, 2, why);

	for (int i = 0; !err && !*shared->wrong && i < AGAIN; i++) {
		set_soft(RLIMIT_MEMLOCK, (op->mem->pages + RING_PAGES) * op->kernel->page_size);
		err = attempt_in_time(op, true, why);
	}
	return unless_not_allowed(err);
}

/* --- a full control group --- */

/* Open before it is needed: in a full group a file cannot be opened. */
static int open_group(const char *file)
{
	char path[300];

	snprintf(path, sizeof(path), "%s/%s", group, file);
	return open(path, O_RDWR | O_CLOEXEC);
}

static long write_text(int fd, const char *text)
{
	return pwrite(fd, text, strlen(text), 0) == (ssize_t)strlen(text) ? 0 : -errno;
}

struct squeeze {
	int max, current;	/* files of the group */
	long slack;		/* bytes */
};

static void leave_room(const struct squeeze *s, long long room)
{
	char text[32] = "";
	long long used;

	if (pread(s->current, text, sizeof(text) - 1, 0) < 0)
		return;
	used = strtoll(text, NULL, 10) + room;
	snprintf(text, sizeof(text), "%lld", used > 0 ? used : 0);
	write_text(s->max, text);
}

static void begin_squeeze(void *arg)
{
	const struct squeeze *s = arg;

	/* Below what is used, so that no CPU keeps a stock of its own. */
	leave_room(s, -(1 << 16));
	leave_room(s, s->slack);
}

static void end_squeeze(void *arg)
{
	const struct squeeze *s = arg;

	write_text(s->max, "max");
}

/* Nobody there may be killed to make room: so it is the allocation that fails. */
static long join_group(char *why)
{
	char pid[16];
	long err;
	int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
	bool exempt = fd >= 0 && write(fd, "-1000", 5) == 5;

	if (fd >= 0)
		close(fd);
	if (!exempt)
		return pin_why(why, -EOPNOTSUPP, "CAP_SYS_RESOURCE is needed for an oom_score_adj of -1000");
	snprintf(pid, sizeof(pid), "%d", getpid());
	fd = open_group("cgroup.procs");
	err = fd < 0 ? -errno : write_text(fd, pid);
	close(fd);
	return err;
}

static long memcg(const struct pin_actor *a, struct pin_op *op, long arg, char *why)
{
	struct squeeze squeeze = { open_group("memory.max"), open_group("memory.current"), 0 };
	const struct pin_strain s = {
		.stage = PIN_STAGE_PIN, .begin = begin_squeeze, .end = end_squeeze,
		.arg = &squeeze,
	};
	long err = squeeze.max < 0 ? -errno : join_group(why);

	/* What user space faults in must be there already. */
	mallopt(M_TRIM_THRESHOLD, 1 << 30);
	mallopt(M_MMAP_THRESHOLD, 1 << 30);
	if (!err)
		err = get_memory(op, PAGES, why);
	if (!err)
		err = attempt(op, NULL, why);
	for (int i = 0; !err && i < SLACKS; i++) {
		squeeze.slack = i * op->kernel->page_size;
		alarm(TOO_LONG_S);
		err = attempt(op, &s, why);
		alarm(0);
	}
	return err;
}

/* --- sizes --- */

/*
 * One huge page at very many addresses: more pages than the machine has, which
 * vmap() refuses, and than a table from kmalloc() has room for.
 */
static long many_pages(const struct pin_actor *a, struct pin_op *op, long arg, char *why)
{
	const long page = op->kernel->page_size;
	const size_t huge = op->kernel->pmd_size;
	struct sysinfo info;
	size_t pages = MANY_PAGES, len;
	char *map;
	long err;
	int fd;

	sysinfo(&info);
	if (info.totalram / page * info.mem_unit >= pages)
		pages = info.totalram / page * info.mem_unit + 1;
	if (!huge)
		return pin_why(why, -EOPNOTSUPP, "no PMD-sized pages on this kernel");
	fd = memfd_create("pin-many", MFD_CLOEXEC | MFD_HUGETLB);
	if (fd < 0 || ftruncate(fd, huge))
		return pin_why(why, -EOPNOTSUPP, "memfd_create(MFD_HUGETLB): %s", strerror(errno));
	len = (pages * page + huge - 1) / huge * huge;
	map = mmap(NULL, len + huge, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (map == MAP_FAILED)
		return pin_why(why, -EOPNOTSUPP, "mmap of %zu bytes: %s", len, strerror(errno));
	map = (char *)(((uintptr_t)map + huge - 1) & ~(huge - 1));
	for (size_t at = 0; at < len; at += huge) {
		if (mmap(map + at, huge, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0) ==
		    MAP_FAILED)
			return pin_why(why, -EOPNOTSUPP, "%zu mappings of one huge page: %s",
				       len / huge, strerror(errno));
	}
	/* Described as a kind of memory that consumers know. */
	err = pin_mem_alloc(op->mem, pin_memkind_find("anon"), op->kernel, 1);
	if (err)
		return err;
	op->mem->addr = map;
	op->mem->len = pages * page;
	op->mem->pages = pages;
	op->mem->hole = pages;
	op->mem->folio_pages = huge / page;
	return attempt(op, NULL, why);
}

/* A length for which even the table of pages is too long, few of them mapped. */
static long beyond(const struct pin_actor *a, struct pin_op *op, long arg, char *why)
{
	const long page = op->kernel->page_size;
	const size_t len = ((size_t)INT32_MAX + 1) * page;
	long err;

	if (sizeof(size_t) < 8)
		return pin_why(why, -EOPNOTSUPP, "no such length in 32 bits");
	err = get_memory(op, PAGES, why);
	if (err)
		return err;
	op->mem->hole = op->mem->pages - 1;
	munmap((char *)op->mem->addr + op->mem->hole * page, page);
	op->mem->len = len;
	op->mem->pages = INT32_MAX;
	return attempt(op, NULL, why);
}

static char *map_huge(size_t huge)
{
	return mmap(NULL, huge, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB | MAP_POPULATE, -1, 0);
}

/*
 * Two huge pages of a memfd, of which the pool has only one left. It is mapped
 * and so reserved: 6.12 takes what nobody reserved, and trips over that.
 */
static long empty_pool(const struct pin_actor *a, struct pin_op *op, long arg, char *why)
{
	const size_t huge = op->kernel->pmd_size, page = op->kernel->page_size;
	struct pin_mem *m = op->mem;
	char *last = MAP_FAILED, *p;

	if (!huge)
		return pin_why(why, -EOPNOTSUPP, "no PMD-sized pages on this kernel");
	do {
		p = last;
		last = map_huge(huge);
	} while (last != MAP_FAILED);
	if (p == MAP_FAILED)
		return pin_why(why, -EOPNOTSUPP, "no free %zu kB page: echo 8 > /proc/sys/vm/nr_hugepages (kernel option HUGETLBFS)",
			       huge / 1024);
	munmap(p, huge);
	m->kind = pin_memkind_find("memfd_hugetlb_fresh");
	m->kernel = op->kernel;
	m->fd = memfd_create("pin-pool", MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_HUGETLB);
	if (m->fd < 0 || ftruncate(m->fd, 2 * huge))
		return pin_why(why, -errno, "memfd_create(MFD_HUGETLB): %s", strerror(errno));
	m->map = mmap(NULL, huge, PROT_READ | PROT_WRITE, MAP_SHARED, m->fd, 0);
	if (m->map == MAP_FAILED)
		return pin_why(why, -errno, "mmap: %s", strerror(errno));
	m->map_len = huge;
	/* Those that somebody has let go of meanwhile. */
	while (pin_hugetlb_pool(huge, "free_hugepages") >
	       pin_hugetlb_pool(huge, "resv_hugepages")) {
		if (map_huge(huge) == MAP_FAILED)
			return pin_why(why, -EBUSY, "somebody else is at the pool of huge pages");
	}
	m->addr = m->map;
	m->len = 2 * huge;
	m->pages = m->len / page;
	m->hole = m->pages;
	m->folio_pages = huge / page;
	return attempt(op, NULL, why);
}

static const struct limit limits[] = {
	{ .name = "nofile", .task = nofile },
	{ .name = "as", .task = as },
	{ .name = "memlock", .task = memlock, .held_only = true },
	{ .name = "memlock_hole", .task = memlock_hole, .held_only = true, .address_only = true },
	{ .name = "memlock_again", .task = memlock_again, .charged_only = true,
	  .momentary_only = true },
	{ .name = "memlock_exact", .task = memlock_exact, .charged_only = true, .held_only = true },
	{ .name = "memlock_privileged", .task = memlock_privileged, .charged_only = true,
	  .held_only = true },
	{ .name = "memcg", .task = memcg, .dies = true, .unable = no_group },
	{ .name = "many", .task = many_pages, .held_only = true },
	{ .name = "beyond", .task = beyond, .held_only = true },
	{ .name = "pool", .task = empty_pool, .file_only = true },
};

struct cell {
	const struct limit *limit;
	const struct pin_consumer *consumer;
};

static enum pin_verdict run_cell(struct pin_audit *au, const void *arg)
{
	/* Both up by as much as there was to try: how often is the kernel's. */
	static const struct pin_predict balance = { .migrated = UINT64_MAX / 4 };
	const struct cell *cell = arg;
	struct pin_actor a = {
		.consumer = cell->consumer, .task = cell->limit->task,
		.kernel = pin_audit_kernel(au), .node = -1,
	};
	struct pin_actor_reply reply = { .result = 0 };
	char name[32];
	int err;

	if (cell->limit->unable && *cell->limit->unable)
		return pin_audit_skip(au, "%s", cell->limit->unable);
	if (!pin_probe_passed(au, cell->consumer))
		return PIN_SKIP;
	snprintf(name, sizeof(name), "limits_%s", cell->limit->name);
	if (pin_audit_avoid(au, name, cell->consumer->name))
		return PIN_XFAIL;
	memset(shared, 0, sizeof(*shared));
	err = pin_actor_start(&a);
	if (err)
		return pin_audit_fail(au, "cannot start a process: %s", strerror(-err));
	pin_audit_base_vmpin(au, a.pid);
	err = pin_actor_task(&a, 0, &reply);
	if (err && !cell->limit->dies)
		pin_audit_fail(au, "after %u refusals and %u successes: %s", shared->refused,
			       shared->succeeded, reply.why);
	else if (err)
		pin_audit_note(au, "%s", reply.why);
	else if (reply.result == -EOPNOTSUPP || (reply.result && !shared->refused &&
						 !shared->succeeded))
		pin_audit_skip(au, "%s", *reply.why ? reply.why : strerror(-reply.result));
	else if (reply.result)
		pin_audit_fail(au, "after %u refusals and %u successes: %s: %s", shared->refused,
			       shared->succeeded, reply.why, strerror(-reply.result));
	if (*shared->wrong && !pin_audit_excuse(au, name, cell->consumer->name))
		pin_audit_fail(au, "%s", shared->wrong);
	pin_audit_note(au, "%u attempts succeeded, %u were refused%s%s", shared->succeeded,
		       shared->refused, shared->refused ? ", last with: " : "",
		       shared->refused ? strerror(-shared->result) : "");
	if (!err)
		pin_audit_step(au, "closed", &balance, 0, a.pid);
	pin_actor_stop(au, &a);
	pin_audit_step(au, "process exit", &balance, 0, 0);
	return PIN_PASS;
}

/*
 * Half of the memory is there and is pinned; a page of the other half cannot be had, as
 * the group is full. What has several calls pin for one request meets that in the second.
 */
static long read_half(const struct pin_actor *a, struct pin_op *op, long arg, char *why)
{
	struct squeeze squeeze = {
		open_group("memory.max"), open_group("memory.current"),
		HALF_SLACK * a->kernel->page_size,
	};
	const size_t half = PRESENT * a->kernel->page_size;
	long err = squeeze.max < 0 ? -errno : join_group(why);
	char *mem;

	(void)op;
	(void)arg;
	if (err)
		return pin_why(why, -EOPNOTSUPP, "%s", *why ? why : strerror(-err));
	mem = mmap(NULL, 2 * half, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (mem == MAP_FAILED)
		return -errno;
	madvise(mem, 2 * half, MADV_NOHUGEPAGE);
	memset(mem, 1, half);
	/* What the call itself needs is there from now on. */
	if (pread(share_fd, mem, half, 0) != (ssize_t)half)
		return -EIO;
	/* Another CPU may give back late what it has kept in stock: there is room then. */
	for (int i = 0; i < HALF_TRIES; i++) {
		begin_squeeze(&squeeze);
		err = pread(share_fd, mem, 2 * half, 0);
		err = err < 0 ? -errno : err;
		end_squeeze(&squeeze);
		if (err != (long)(2 * half))
			break;
		shared->succeeded++;
		madvise(mem + half, half, MADV_DONTNEED);
	}
	return err;
}

static enum pin_verdict run_half(struct pin_audit *au, const void *arg)
{
	const struct pin_kernel *k = pin_audit_kernel(au);
	struct pin_predict want = { .result = -ENOMEM, .or_result = -ENOMEM };
	struct pin_actor a = { .task = read_half, .kernel = k, .node = -1 };
	struct pin_actor_reply reply;
	int err;

	(void)arg;
	if (*no_group || *no_share)
		return pin_audit_skip(au, "%s", *no_group ? no_group : no_share);
	if (!k->netfs_pins)
		return pin_audit_skip(au, "fs/9p reads directly by fs/netfs since Linux 6.8");
	memset(shared, 0, sizeof(*shared));
	err = pin_actor_start(&a);
	if (err)
		return pin_audit_fail(au, "cannot start a process: %s", strerror(-err));
	if (pin_actor_task(&a, 0, &reply)) {
		pin_audit_fail(au, "%s", reply.why);
	} else if (reply.result == -EOPNOTSUPP) {
		pin_audit_skip(au, "%s", reply.why);
	} else {
		/* What is there is read twice, the first time alone. */
		want.acquired = 2 * PRESENT + shared->succeeded * 2 * PRESENT;
		want.released = want.acquired;
		/* And of the other half what there was room for, stocks included; not all. */
		want.migrated = PRESENT - 1;
		pin_audit_step(au, "read", &want, reply.result, 0);
	}
	pin_actor_stop(au, &a);
	return PIN_PASS;
}

static void add_tests(struct pin_suite *s)
{
	share_wanted = pin_suite_add(s, run_half, NULL, "memcg_half.9p_read");
	for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++) {
		for (unsigned int j = 0; j < pin_nr_consumers; j++) {
			struct cell *cell;

			if ((limits[i].held_only && !pin_consumers[j]->held) ||
			    (limits[i].momentary_only && pin_consumers[j]->held) ||
			    (limits[i].charged_only && !pin_consumers[j]->charged) ||
			    (limits[i].file_only && !pin_consumers[j]->by_file) ||
			    (limits[i].address_only && pin_consumers[j]->by_file))
				continue;
			cell = calloc(1, sizeof(*cell));
			if (!cell)
				abort();
			*cell = (struct cell){ &limits[i], pin_consumers[j] };
			if (pin_suite_add(s, run_cell, cell, "%s.%s", limits[i].name,
					  pin_consumers[j]->name))
				pin_probe_want(pin_consumers[j]);
		}
	}
}

static void find_group(void)
{
	char text[512] = "", why[PIN_WHY_LEN];
	int fd = open(CGROUP "/cgroup.controllers", O_RDONLY | O_CLOEXEC);

	if (fd >= 0 && read(fd, text, sizeof(text) - 1) < 0)
		*text = '\0';
	if (fd >= 0)
		close(fd);
	if (!strstr(text, "memory")) {
		pin_why(no_group, 0,
			"no memory controller in %s: kernel option MEMCG; mount -t cgroup2 none %s",
			CGROUP, CGROUP);
		return;
	}
	fd = open(CGROUP "/cgroup.subtree_control", O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, "+memory", 7) != 7)
		pin_why(no_group, 0, CGROUP "/cgroup.subtree_control: %s", strerror(errno));
	if (fd >= 0)
		close(fd);
	if (*no_group)
		return;
	snprintf(group, sizeof(group), CGROUP "/pin-limits-%d", getpid());
	if (pin_scratch_mkdir(group, no_group))
		return;
	fd = open_group("memory.swap.max");
	write_text(fd, "0");
	close(fd);
	/* Each allocation that fails is reported, at length. */
	pin_scratch_setting("/proc/sys/vm/oom_dump_tasks", "0", why);
}

static int share_file(const struct pin_kernel *k, char *why)
{
	static const struct pin_scratch_fs fs = PIN_SCRATCH_9P;
	char tag[64], dir[300], path[400];
	int err = pin_scratch_share(tag, sizeof(tag), why);

	if (!err)
		err = pin_scratch_mount(&fs, tag, dir, sizeof(dir), why);
	if (!err)
		err = pin_scratch_file(dir, "half", 2 * PRESENT * k->page_size, path,
				       sizeof(path), why);
	if (err)
		return err;
	share_fd = open(path, O_RDONLY | O_DIRECT | O_CLOEXEC);
	return share_fd < 0 ? pin_why(why, -errno, "%s: %s", path, strerror(errno)) : 0;
}

/* What is open cannot be unmounted. */
static void cleanup(struct pin_suite *s)
{
	(void)s;
	if (share_fd >= 0)
		close(share_fd);
}

static void setup(struct pin_suite *s)
{
	char why[PIN_WHY_LEN] = "";

	if (share_wanted && share_file(pin_suite_kernel(s), why))
		pin_why(no_share, 0, "%s", why);
	shared = pin_actor_shared(sizeof(*shared));
	find_group();
	pin_probe_all(s);
	pin_bench_setup(s, HUGEPAGES);
}

int main(int argc, char **argv)
{
	static const struct pin_program program = {
		.name = "limits_test",
		.doc = "Every consumer at a limit: no file descriptor left (nofile), no address space (as), RLIMIT_MEMLOCK as an ordinary user (memlock, memlock_hole, memlock_exact, memlock_privileged, memlock_again), a full control group (memcg), in which memory is not there when it is to be pinned (memcg_half), more pages than the machine has (many), a length beyond all tables (beyond), an empty pool of huge pages (pool). Refused or not, all is given back. Tests are called LIMIT.CONSUMER.",
		.add_tests = add_tests,
		.setup = setup,
		.cleanup = cleanup,
	};

	return pin_suite_main(&program, argc, argv);
}
