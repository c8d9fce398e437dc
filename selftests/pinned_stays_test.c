// SPDX-License-Identifier: GPL-2.0
/*
 * Pinned pages do not move and do not vanish, whatever asks for them: the
 * kernel refuses, or leaves them alone, and the device and the process go on
 * seeing the same memory. Without the pin each of these works, or the test
 * would show nothing.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <numa.h>
#include <numaif.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench.h"
#include "proc.h"
#include "scratch.h"

#define PAGES		16
#define COLLAPSE_PAGES	1024	/* one huge page of 2 MiB, wherever it begins */
#define WAIT_MS		10000	/* for what works without the pin */
#define DWELL_MS	300	/* for what must not happen */
#define RETURN_MS	5000	/* for what must return, whatever it says */

#ifndef MADV_HWPOISON
#define MADV_HWPOISON	100
#endif
#ifndef MADV_PAGEOUT
#define MADV_PAGEOUT	21
#endif
#ifndef MADV_SOFT_OFFLINE
#define MADV_SOFT_OFFLINE	101
#endif
#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE	25
#endif

/* Since Linux 6.8; later than the headers of some. */
#ifndef UFFDIO_MOVE
#define UFFD_FEATURE_MOVE	(1 << 16)
struct uffdio_move {
	__u64 dst;
	__u64 src;
	__u64 len;
	__u64 mode;
	__s64 move;
};

#define UFFDIO_MOVE		_IOWR(UFFDIO, 0x05, struct uffdio_move)
#endif

/* Something that wants the pages. */
struct threat {
	const char *name;
	const char *kind;
	/* 0, or a negative errno and the reason: it cannot be done here. */
	int (*prepare)(struct pin_bench *b, char *why);
	/* Try it; what it says is up to the kernel. */
	void (*try)(struct pin_bench *b);
	/* Has it been done to @now? @then: the same page before. */
	bool (*done)(const struct pin_helper_page *then, const struct pin_helper_page *now);
	bool only_pinned;	/* nothing is sure to happen without the pin */
	unsigned int pages;
};

static bool has_moved(const struct pin_helper_page *then, const struct pin_helper_page *now)
{
	return then->pfn != now->pfn;
}

static bool has_gone(const struct pin_helper_page *then, const struct pin_helper_page *now)
{
	return !(now->flags & PIN_HELPER_PAGE_PRESENT) || then->pfn != now->pfn;
}

static bool is_merged(const struct pin_helper_page *then, const struct pin_helper_page *now)
{
	return now->flags & PIN_HELPER_PAGE_KSM;
}

static bool is_split(const struct pin_helper_page *then, const struct pin_helper_page *now)
{
	return now->order < then->order || then->pfn != now->pfn;
}

/* --- another node --- */

static int need_nodes(struct pin_bench *b, char *why)
{
	if (pin_audit_counters(b->au)->nr_nodes > 1 && numa_available() >= 0)
		return 0;
	return pin_why(why, -ENODEV, "one memory node only: needs a NUMA machine, or a guest with two nodes");
}

/* The node that page 0 is not on. */
static int other_node(struct pin_bench *b)
{
	const struct pin_counters *c = pin_audit_counters(b->au);
	struct pin_helper_page *pages = pin_bench_look(b);
	int here = pages ? pages[0].node : -1;

	free(pages);
	return c->node_id[here == c->node_id[0]];
}

static void try_move_pages(struct pin_bench *b)
{
	int node = other_node(b), *nodes = calloc(b->m.pages, sizeof(*nodes));
	int *status = calloc(b->m.pages, sizeof(*status));
	void **addr = calloc(b->m.pages, sizeof(*addr));

	for (unsigned int i = 0; nodes && status && addr && i < b->m.pages; i++) {
		nodes[i] = node;
		addr[i] = (char *)b->m.addr + i * b->k->page_size;
	}
	if (nodes && status && addr)
		move_pages(0, b->m.pages, addr, nodes, status, MPOL_MF_MOVE);
	free(nodes);
	free(status);
	free(addr);
}

/* All of it to that node, or an error: 0 or -errno. */
static int move_strictly(struct pin_bench *b, int node)
{
	const unsigned long nodes = 1ul << node;

	return mbind(b->m.addr, b->m.len, MPOL_BIND, &nodes, 8 * sizeof(nodes),
		     MPOL_MF_MOVE | MPOL_MF_STRICT) ? -errno : 0;
}

static void try_mbind(struct pin_bench *b)
{
	move_strictly(b, other_node(b));
	mbind(b->m.addr, b->m.len, MPOL_DEFAULT, NULL, 0, 0);
}

/* --- compaction --- */

#define COMPACT		"/proc/sys/vm/compact_memory"
#define CROWD		512u
#define CROWD_PAGES	32u
#define GO		16u	/* of the crowd at a time: some pages stay with a CPU */
#define FLUSHES		40u	/* each takes some pages from a CPU */
#define COMPACTIONS	3u	/* by which what can move has moved */

/*
 * Compaction moves what lies low into the holes above it, and nothing into what is free as
 * a whole. So the buffer is the lowest of a crowd, half of which goes at once, and some
 * more each time, as the holes are filled up. Nearly always others of it move, which is
 * what the pin spares the buffer.
 */
static struct pin_mem crowd[CROWD];
static uint64_t crowd_frames[CROWD];
static unsigned int crowd_left, crowd_moved;

static void thin_crowd(unsigned int to)
{
	while (crowd_left > to)
		pin_mem_free(&crowd[--crowd_left]);
}

/* Pages that were freed are with a CPU first, ever more of them since 6.7. */
static void drain_cpus(void)
{
	for (unsigned int i = 0; i < FLUSHES; i++)
		pin_write_file("/proc/sys/vm/stat_refresh", "1");
}

static uint64_t frame_of(const struct pin_mem *m)
{
	return pin_frame_of(m->addr, m->kernel->page_size);
}

static void swap(struct pin_mem *a, struct pin_mem *b)
{
	const struct pin_mem old = *a;

	*a = *b;
	*b = old;
}

static int need_compaction(struct pin_bench *b, char *why)
{
	const struct pin_memkind *kind = b->m.kind;
	int err;

	if (access(COMPACT, W_OK))
		return pin_why(why, -EOPNOTSUPP, "no %s: kernel option COMPACTION, and root",
			       COMPACT);
	/* All else goes up first, or it would go into the holes. */
	pin_mem_free(&b->m);
	for (unsigned int i = 0; i < COMPACTIONS; i++) {
		drain_cpus();
		pin_write_file(COMPACT, "1");
	}
	err = pin_mem_alloc(&b->m, kind, b->k, CROWD_PAGES);
	if (err)
		return pin_why(why, err, "%s", b->m.why);
	pin_bench_write(b, 1);
	for (; crowd_left < CROWD; crowd_left++) {
		struct pin_mem *m = &crowd[crowd_left];

		err = pin_mem_alloc(m, kind, b->k, CROWD_PAGES);
		if (err) {
			thin_crowd(0);
			return pin_why(why, err, "%s", m->why);
		}
		memset(m->addr, 1, m->len);
		if (frame_of(m) < frame_of(&b->m))
			swap(m, &b->m);
	}
	/* Every other one stays for now. */
	for (unsigned int i = 1; i < CROWD / 2; i++)
		swap(&crowd[i], &crowd[2 * i]);
	thin_crowd(CROWD / 2);
	drain_cpus();
	crowd_moved = 0;
	pin_mem_cut(&b->m, 0, PAGES * b->k->page_size);
	return 0;
}

static void try_compaction(struct pin_bench *b)
{
	int err;

	thin_crowd(crowd_left > 2 * GO ? crowd_left - GO : GO);
	for (unsigned int i = 0; i < crowd_left; i++)
		crowd_frames[i] = frame_of(&crowd[i]);
	err = pin_write_file(COMPACT, "1");
	if (err)
		pin_audit_fail(b->au, "%s: %s", COMPACT, strerror(-err));
	for (unsigned int i = 0; i < crowd_left; i++)
		crowd_moved += frame_of(&crowd[i]) != crowd_frames[i];
}

/* --- reclaim --- */

static int need_pageout(struct pin_bench *b, char *why)
{
	void *p = mmap(NULL, b->k->page_size, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int err = madvise(p, b->k->page_size, MADV_PAGEOUT) ? -errno : 0;

	munmap(p, b->k->page_size);
	if (err)
		return pin_why(why, err, "no MADV_PAGEOUT: Linux 5.4");
	return 0;
}

static int need_swap(struct pin_bench *b, char *why)
{
	if (pin_meminfo("SwapFree") < 1024)
		return pin_why(why, -ENODEV, "no swap space: swapon, on zram for example");
	return need_pageout(b, why);
}

static void try_pageout(struct pin_bench *b)
{
	pin_view_drain_lru();
	madvise(b->m.addr, b->m.len, MADV_PAGEOUT);
}

/* What it holds is of no use any more: it goes without a place in swap. */
static void try_lazyfree(struct pin_bench *b)
{
	madvise(b->m.addr, b->m.len, MADV_FREE);
	try_pageout(b);
}

/*
 * A page that was unmapped for the swap is found again where it is, but is the child's,
 * too, by then: who writes to it first gets a copy.
 */
static void try_pageout_fork(struct pin_bench *b)
{
	pid_t pid;

	try_pageout(b);
	pid = fork();
	if (!pid) {
		pin_scratch_disown();
		for (;;)
			pause();
	}
	pin_bench_write(b, 's');
	if (pid < 0) {
		pin_audit_fail(b->au, "fork: %s", strerror(errno));
		return;
	}
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

/* --- KSM --- */

#define KSM		"/sys/kernel/mm/ksm/"

static int need_ksm(struct pin_bench *b, char *why)
{
	int err = pin_scratch_setting(KSM "pages_to_scan", "10000", why);

	if (!err)
		err = pin_scratch_setting(KSM "sleep_millisecs", "5", why);
	if (!err)
		err = pin_scratch_setting(KSM "run", "1", why);
	return err;
}

/* Two pages alike are enough; these are all alike, and a write would part them again. */
static void try_ksm(struct pin_bench *b)
{
	madvise(b->m.addr, b->m.len, MADV_MERGEABLE);
}

/* --- THP split --- */

#define SPLIT		"/sys/kernel/debug/split_huge_pages"

static int need_split(struct pin_bench *b, char *why)
{
	if (access(SPLIT, W_OK) && errno == ENOENT)
		mount("none", "/sys/kernel/debug", "debugfs", 0, NULL);
	if (access(SPLIT, W_OK))
		return pin_why(why, -EOPNOTSUPP, "no %s: kernel option DEBUG_FS, and root", SPLIT);
	if (b->k->version < PIN_KVER(5, 13))
		return pin_why(why, -EOPNOTSUPP, "%s takes no address before Linux 5.13", SPLIT);
	return 0;
}

static void try_split(struct pin_bench *b)
{
	char order[128];
	int err;

	snprintf(order, sizeof(order), "%d,0x%lx,0x%lx", getpid(),
		 (unsigned long)b->m.addr, (unsigned long)b->m.addr + b->m.len);
	err = pin_write_file(SPLIT, order);
	if (err)
		pin_audit_fail(b->au, "%s: %s", SPLIT, strerror(-err));
}

/* --- collapse to a THP --- */

static bool is_collapsed(const struct pin_helper_page *then, const struct pin_helper_page *now)
{
	return now->order > then->order || then->pfn != now->pfn;
}

/* Of the buffer that much is left that may become one. */
static int need_collapse(struct pin_bench *b, char *why)
{
	const size_t huge = b->k->pmd_size;
	const size_t skip = huge ? -(uintptr_t)b->m.addr & (huge - 1) : 0;

	if (!huge)
		return pin_why(why, -EOPNOTSUPP, "no transparent huge pages: kernel option TRANSPARENT_HUGEPAGE");
	if (b->k->version < PIN_KVER(6, 1))
		return pin_why(why, -EOPNOTSUPP, "no MADV_COLLAPSE: Linux 6.1");
	if (b->m.len < skip + huge)
		return pin_why(why, -E2BIG, "a huge page has more than %d pages here",
			       COLLAPSE_PAGES / 2);
	pin_mem_cut(&b->m, skip, huge);
	return 0;
}

static void try_collapse(struct pin_bench *b)
{
	madvise(b->m.addr, b->m.len, MADV_HUGEPAGE);
	madvise(b->m.addr, b->m.len, MADV_COLLAPSE);
}

/* --- userfaultfd: to another address --- */

static int open_mover(void)
{
	struct uffdio_api api = { .api = UFFD_API, .features = UFFD_FEATURE_MOVE };
	int fd = syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);

	if (fd < 0)
		return -errno;
	if (!ioctl(fd, UFFDIO_API, &api))
		return fd;
	close(fd);
	return -EOPNOTSUPP;
}

static int need_move(struct pin_bench *b, char *why)
{
	int fd = open_mover();

	if (fd < 0)
		return pin_why(why, fd, "no UFFDIO_MOVE: root, kernel option USERFAULTFD, and Linux 6.8");
	close(fd);
	return 0;
}

struct order {
	int fd;
	struct uffdio_move move;
};

static int do_move(void *arg)
{
	struct order *o = arg;

	ioctl(o->fd, UFFDIO_MOVE, &o->move);
	return 0;
}

/* In a process that has our memory and can be killed if it does not return. */
static void move_within(struct pin_bench *b, struct order *o)
{
	static char stack[65536] __attribute__((aligned(16)));
	pid_t pid = clone(do_move, stack + sizeof(stack), CLONE_VM | SIGCHLD, o);
	struct pollfd end = { .fd = pid < 0 ? -1 : (int)syscall(SYS_pidfd_open, pid, 0),
			      .events = POLLIN };

	if (end.fd < 0) {
		pin_audit_fail(b->au, "UFFDIO_MOVE by a process of its own: %s", strerror(errno));
	} else if (!poll(&end, 1, RETURN_MS) &&
		   !pin_audit_excuse(b->au, "uffd_move", b->m.kind->name)) {
		pin_audit_fail(b->au, "UFFDIO_MOVE has not returned after %d ms", RETURN_MS);
	}
	if (pid > 0) {
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
	}
	if (end.fd >= 0)
		close(end.fd);
}

/* To where such a page can be moved as a whole, and into nothing with that. */
static void try_move(struct pin_bench *b)
{
	const size_t align = b->k->pmd_size ? b->k->pmd_size : b->m.len;
	const size_t len = b->m.len + align;
	struct uffdio_register reg = { .mode = UFFDIO_REGISTER_MODE_MISSING };
	struct order o = { .fd = open_mover(),
			   .move = { .src = (uintptr_t)b->m.addr, .len = b->m.len } };
	char *to = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	o.move.dst = ((uintptr_t)to + align - 1) & -align;
	reg.range.start = o.move.dst;
	reg.range.len = b->m.len;
	pin_view_drain_lru();
	if (o.fd >= 0 && to != MAP_FAILED && !ioctl(o.fd, UFFDIO_REGISTER, &reg))
		move_within(b, &o);
	if (o.fd >= 0)
		close(o.fd);
	if (to != MAP_FAILED)
		munmap(to, len);
}

/* --- pages that are taken out of use --- */

/* What works is for good, until the machine boots again. */
static int need_expendable(struct pin_bench *b, char *why)
{
	if (access("/proc/sys/vm/memory_failure_recovery", F_OK))
		return pin_why(why, -EOPNOTSUPP, "no MADV_SOFT_OFFLINE: kernel option MEMORY_FAILURE");
	if (!getenv("PINVM"))
		return pin_why(why, -EPERM, "takes pages out of use until the machine boots again: only in a guest of pinvm");
	return 0;
}

/* A hugetlb page goes as a whole. */
static void try_soft_offline(struct pin_bench *b)
{
	const size_t step = b->m.kind->huge ? b->m.len : (size_t)b->k->page_size;

	for (size_t at = 0; at < b->m.len; at += step)
		madvise((char *)b->m.addr + at, b->k->page_size, MADV_SOFT_OFFLINE);
}

/* --- to the memory of a device --- */

#define DEVICE		"/dev/hmm_dmirror0"

/* lib/test_hmm_uapi.h, which is not installed. */
struct dmirror_command {
	__u64 addr;
	__u64 ptr;		/* what the device has then is copied to here */
	__u64 npages;
	__u64 cpages;
	__u64 faults;
};

#define DMIRROR_TO_DEVICE	_IOWR('H', 0x02, struct dmirror_command)

static int need_device(struct pin_bench *b, char *why)
{
	int err;

	if (b->k->version < PIN_KVER(5, 19))
		return pin_why(why, -EOPNOTSUPP, "the kernel's device for tests of HMM has another interface before Linux 5.19");
	err = pin_scratch_module("test_hmm", "TEST_HMM", NULL, why);
	return err < 0 ? err : 0;
}

static bool went;	/* the device has had all of it */

/* It comes back as the device is closed, perhaps to where it was. */
static bool has_been_away(const struct pin_helper_page *then, const struct pin_helper_page *now)
{
	return went || has_gone(then, now);
}

static void try_device(struct pin_bench *b)
{
	struct dmirror_command command = {
		.addr = (uintptr_t)b->m.addr, .npages = b->m.pages,
	};
	void *copy = malloc(b->m.len);
	int fd = open(DEVICE, O_RDWR | O_CLOEXEC);

	command.ptr = (uintptr_t)copy;
	went = copy && fd >= 0 && !ioctl(fd, DMIRROR_TO_DEVICE, &command);
	if (fd >= 0)
		close(fd);
	free(copy);
}

static const struct threat threats[] = {
	{ "move_pages", "anon", need_nodes, try_move_pages, has_moved, false, PAGES },
	{ "move_pages", "thp", need_nodes, try_move_pages, has_moved, false, PAGES },
	{ "move_pages", "memfd", need_nodes, try_move_pages, has_moved, false, PAGES },
	{ "move_pages", "hugetlb", need_nodes, try_move_pages, has_moved, false, PAGES },
	{ "move_pages", "memfd_hugetlb", need_nodes, try_move_pages, has_moved, false, PAGES },
	{ "move_pages", "mthp", need_nodes, try_move_pages, has_moved, false, PAGES },
	{ "move_pages", "thp_pte", need_nodes, try_move_pages, has_moved, false, PAGES },
	{ "move_pages", "file_shared", need_nodes, try_move_pages, has_moved, false, PAGES },
	{ "mbind", "anon", need_nodes, try_mbind, has_moved, false, PAGES },
	{ "mbind", "thp", need_nodes, try_mbind, has_moved, false, PAGES },
	{ "mbind", "memfd", need_nodes, try_mbind, has_moved, false, PAGES },
	{ "mbind", "hugetlb", need_nodes, try_mbind, has_moved, false, PAGES },
	{ "mbind", "memfd_hugetlb", need_nodes, try_mbind, has_moved, false, PAGES },
	{ "mbind", "mthp", need_nodes, try_mbind, has_moved, false, PAGES },
	{ "mbind", "thp_pte", need_nodes, try_mbind, has_moved, false, PAGES },
	{ "mbind", "file_shared", need_nodes, try_mbind, has_moved, false, PAGES },
	{ "compaction", "anon", need_compaction, try_compaction, has_moved, true, PAGES },
	{ "compaction", "memfd", need_compaction, try_compaction, has_moved, true, PAGES },
	{ "compaction", "mthp", need_compaction, try_compaction, has_moved, true, PAGES },
	{ "compaction", "file_shared", need_compaction, try_compaction, has_moved, true, PAGES },
	{ "to_device", "anon", need_device, try_device, has_been_away, false, PAGES },
	{ "to_device", "thp", need_device, try_device, has_been_away, false, PAGES },
	{ "to_device", "mthp", need_device, try_device, has_been_away, true, PAGES },
	{ "pageout", "anon", need_swap, try_pageout, has_gone, false, PAGES },
	{ "pageout", "thp", need_swap, try_pageout, has_gone, false, PAGES },
	{ "pageout", "memfd", need_swap, try_pageout, has_gone, false, PAGES },
	{ "pageout", "file_private", need_pageout, try_pageout, has_gone, true, PAGES },
	{ "pageout", "file_shared", need_pageout, try_pageout, has_gone, true, PAGES },
	{ "lazyfree", "anon", need_pageout, try_lazyfree, has_gone, false, PAGES },
	{ "pageout_fork", "anon", need_swap, try_pageout_fork, has_moved, true, PAGES },
	{ "pageout_fork", "thp", need_swap, try_pageout_fork, has_moved, true, PAGES },
	{ "ksm", "anon", need_ksm, try_ksm, is_merged, false, PAGES },
	{ "split", "thp", need_split, try_split, is_split, false, PAGES },
	{ "collapse", "memfd_aligned", need_collapse, try_collapse, is_collapsed, false,
	  COLLAPSE_PAGES },
	{ "collapse", "anon", need_collapse, try_collapse, is_collapsed, false, COLLAPSE_PAGES },
	{ "uffd_move", "anon", need_move, try_move, has_gone, false, PAGES },
	{ "uffd_move", "thp", need_move, try_move, has_gone, false, PAGES },
	{ "uffd_move", "thp_pte", need_move, try_move, has_gone, false, PAGES },
	{ "soft_offline", "anon", need_expendable, try_soft_offline, has_moved, false, PAGES },
	{ "soft_offline", "memfd", need_expendable, try_soft_offline, has_moved, false, PAGES },
	{ "soft_offline", "thp_part", need_expendable, try_soft_offline, has_moved, false, PAGES },
	{ "soft_offline", "mthp", need_expendable, try_soft_offline, has_moved, false, PAGES },
	{ "soft_offline", "hugetlb", need_expendable, try_soft_offline, has_moved, false, PAGES },
	{ "soft_offline", "memfd_hugetlb", need_expendable, try_soft_offline, has_moved, false,
	  PAGES },
};

/*
 * Pages that must not even be unmapped for a while, but were: somebody else could get
 * them, as by fork(), and then a write gives the process a copy.
 */
static unsigned int unmapped(struct pin_bench *b, const struct pin_helper_page *then)
{
	struct pin_helper_page *now = pin_bench_look(b);
	unsigned int n = 0;

	for (unsigned int i = 0; now && i < b->m.pages; i++)
		n += then[i].flags & PIN_HELPER_PAGE_EXCLUSIVE &&
		     !(now[i].flags & PIN_HELPER_PAGE_PRESENT);
	free(now);
	return n;
}

/* Pages of which @t says that it was done. */
static unsigned int done_to(struct pin_bench *b, const struct threat *t,
			    const struct pin_helper_page *then, bool pinned)
{
	struct pin_helper_page *now;
	unsigned int n = 0;

	if (pinned) {
		n = unmapped(b, then);
		if (n)
			return n;
		/* What is only unmapped is there again when somebody looks. */
		pin_bench_differ(b, 0);
	}
	now = pin_bench_look(b);
	for (unsigned int i = 0; now && i < b->m.pages; i++)
		n += t->done(&then[i], &now[i]);
	free(now);
	return n;
}

/*
 * Pinned: try for a while; else until it is done to (nearly) all pages. Returns
 * how many it was done to.
 */
static unsigned int keep_trying(struct pin_bench *b, const struct threat *t,
				const struct pin_helper_page *then, bool pinned)
{
	const unsigned int ms = pinned ? DWELL_MS : WAIT_MS;
	const unsigned int enough = pinned ? b->m.pages + 1 : b->m.pages - 1;
	const uint64_t deadline = pin_now_ns() + ms * 1000000ull;
	unsigned int done;

	do {
		t->try(b);
		pin_sleep_ns(10000000);
		done = done_to(b, t, then, pinned);
	} while (done < enough && pin_now_ns() < deadline);
	return done;
}

/* Who was turned away must not leave references behind, or lose any: to how many pages. */
static unsigned int referenced(struct pin_bench *b, const struct pin_helper_page *then)
{
	const uint64_t deadline = pin_now_ns() + WAIT_MS * 1000000ull;
	struct pin_helper_page *now;
	unsigned int n;

	do {
		pin_view_drain_lru();
		now = pin_bench_look(b);
		n = now ? 0 : b->m.pages;
		for (unsigned int i = 0; now && i < b->m.pages; i++)
			n += now[i].refcount != then[i].refcount;
		free(now);
	} while (n && pin_now_ns() < deadline);
	return n;
}

static void check_data(struct pin_bench *b)
{
	int seen;

	pin_bench_write(b, 'p');
	seen = pin_helper_peek(b->fd, b->handle, b->m.len - b->k->page_size);
	if (seen != 'p')
		pin_audit_fail(b->au, "the device finds %d in the page, the process wrote 'p'",
			       seen);
	seen = pin_helper_fill(b->fd, b->handle, 0, 0, b->m.len, 'd');
	if (seen)
		pin_audit_fail(b->au, "device write: %s", strerror(-seen));
	if (pin_bench_differ(b, 'd'))
		pin_audit_fail(b->au, "the process does not see what the device wrote");
}

/* A buffer that the device has pinned; false: skipped or failed, and closed. */
static bool open_pinned(struct pin_bench *b, struct pin_audit *au, const char *kind,
			unsigned int pages, int (*prepare)(struct pin_bench *b, char *why))
{
	char why[PIN_WHY_LEN];

	if (!pin_bench_open(b, au, kind, pages))
		return false;
	if (prepare(b, why)) {
		pin_audit_skip(au, "%s", why);
	} else {
		pin_bench_write(b, 1);
		if (pin_bench_take(b, PIN_HELPER_PIN, PIN_HELPER_WRITE))
			return true;
	}
	pin_bench_close(b);
	return false;
}

static enum pin_verdict stays(struct pin_audit *au, const void *arg)
{
	const struct threat *t = arg;
	struct pin_helper_page *then;
	struct pin_bench b;
	unsigned int done, odd;

	if (!open_pinned(&b, au, t->kind, t->pages, t->prepare))
		return PIN_PASS;
	pin_view_drain_lru();
	then = pin_bench_look(&b);
	done = then ? keep_trying(&b, t, then, true) : 0;
	if (done)
		pin_audit_fail(au, "%s was done to %u of %u pinned pages", t->name, done,
			       b.m.pages);
	if (t->try == try_compaction)
		pin_audit_note(au, "compaction has moved %u other buffers", crowd_moved);
	/* What is left in the swap cache has references of that. */
	odd = then && !done && t->prepare != need_swap ? referenced(&b, then) : 0;
	if (odd)
		pin_audit_fail(au, "%u of %u pages have another number of references after %s",
			       odd, b.m.pages, t->name);
	check_data(&b);
	pin_bench_step(&b, t->name, 0, 0, 0);
	pin_bench_give(&b, PIN_HELPER_GIVE_PAGES, 0);
	if (then && !done && !t->only_pinned) {
		done = keep_trying(&b, t, then, false);
		if (!done)
			pin_audit_fail(au, "%s was done to no page, though no pin is left",
				       t->name);
	}
	free(then);
	pin_bench_close(&b);
	thin_crowd(0);
	return PIN_PASS;
}

/* Who insists on another node is told. */
static enum pin_verdict refused(struct pin_audit *au, const void *kind)
{
	struct pin_bench b;
	int node;

	if (!open_pinned(&b, au, kind, PAGES, need_nodes))
		return PIN_PASS;
	pin_view_drain_lru();
	node = other_node(&b);
	pin_bench_step(&b, "mbind", 0, 0, move_strictly(&b, node) == -EIO ? 0 : -EILSEQ);
	pin_bench_give(&b, PIN_HELPER_GIVE_PAGES, 0);
	pin_bench_step(&b, "mbind of what is not pinned", 0, 0, move_strictly(&b, node));
	pin_bench_close(&b);
	return PIN_PASS;
}

/* --- exclusive anonymous pages --- */

/* Marked as this process's alone, which fork() would change. */
static unsigned int exclusive(const struct pin_helper_page *pages, unsigned int nr)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < nr; i++)
		n += !!(pages[i].flags & PIN_HELPER_PAGE_EXCLUSIVE);
	return n;
}

/* Fork, and compare the child's pages with @then, ours before that. */
static void expect_child(struct pin_bench *b, const struct pin_helper_page *then,
			 const char *when, bool pinned, bool dontfork)
{
	struct pin_helper_page *now, *its = calloc(b->m.pages, sizeof(*its));
	unsigned int alike = 0, there = 0, still;
	pid_t pid = fork();

	if (!pid) {
		pin_scratch_disown();
		for (;;)
			pause();
	}
	if (!its || pid < 0 || pin_helper_look(b->fd, pid, b->m.addr, b->m.pages, its))
		pin_audit_fail(b->au, "%s: the child's pages cannot be looked at", when);
	now = pin_bench_look(b);
	for (unsigned int i = 0; its && now && i < b->m.pages; i++) {
		there += !!(its[i].flags & PIN_HELPER_PAGE_PRESENT);
		alike += its[i].pfn == then[i].pfn && now[i].pfn == then[i].pfn;
	}
	still = now ? exclusive(now, b->m.pages) : 0;
	if (there != (dontfork ? 0 : b->m.pages))
		pin_audit_fail(b->au, "%s: the child has %u of %u pages", when, there, b->m.pages);
	if (!dontfork && alike != (pinned ? 0 : b->m.pages))
		pin_audit_fail(b->au, "%s: %u of %u pages are shared with the child", when, alike,
			       b->m.pages);
	if (still != (pinned || dontfork ? b->m.pages : 0))
		pin_audit_fail(b->au, "%s: %u of %u pages are exclusive after fork()", when, still,
			       b->m.pages);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	free(now);
	free(its);
}

static enum pin_verdict stays_exclusive(struct pin_audit *au, const void *arg)
{
	const bool *dontfork = arg;
	struct pin_helper_page *then;
	struct pin_bench b;

	if (pin_audit_kernel(au)->version < PIN_KVER(5, 19))
		return pin_audit_skip(au, "PageAnonExclusive came with Linux 5.19");
	if (!pin_bench_open(&b, au, "anon", PAGES))
		return PIN_SKIP;
	pin_bench_write(&b, 1);
	if (*dontfork)
		madvise(b.m.addr, b.m.len, MADV_DONTFORK);
	if (!pin_bench_take(&b, PIN_HELPER_PIN, PIN_HELPER_WRITE))
		goto out;
	then = pin_bench_look(&b);
	if (then && exclusive(then, b.m.pages) != b.m.pages)
		pin_audit_fail(au, "%u of %u pinned pages are exclusive",
			       exclusive(then, b.m.pages), b.m.pages);
	if (then)
		expect_child(&b, then, "pinned", true, *dontfork);
	check_data(&b);
	pin_bench_step(&b, "fork", 0, 0, 0);
	pin_bench_give(&b, PIN_HELPER_GIVE_PAGES, 0);
	if (then)
		expect_child(&b, then, "unpinned", false, *dontfork);
	free(then);
out:
	pin_bench_close(&b);
	return PIN_PASS;
}

/*
 * Pages shared with a child, or that were, are pinned for reading, for which the process
 * gets some of its own. They are mapped for reading only, and its first write is to go to
 * them.
 */
static const struct written {
	const char *name, *kind;
	bool was;		/* the child has ended */
} writtens[] = {
	{ "written.cow", "cow", false },
	{ "written.alone", "anon", true },
	{ "written.alone_thp", "thp", true },
	{ "written.alone_hugetlb", "hugetlb", true },
};

static void share_for_a_moment(void)
{
	pid_t pid = fork();

	if (!pid)
		_exit(0);
	while (pid > 0 && waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
}

static enum pin_verdict written(struct pin_audit *au, const void *arg)
{
	const struct written *w = arg;
	struct pin_bench b;
	int seen;

	if (pin_audit_kernel(au)->version < PIN_KVER(5, 19))
		return pin_audit_skip(au, "pins for reading unshare pages since Linux 5.19");
	if (!pin_bench_open(&b, au, w->kind, PAGES))
		return PIN_SKIP;
	if (w->was)
		share_for_a_moment();
	if (pin_bench_take(&b, PIN_HELPER_PIN, 0)) {
		pin_bench_write(&b, 'p');
		for (size_t at = 0; at < b.m.len; at += b.k->page_size) {
			seen = pin_helper_peek(b.fd, b.handle, at);
			if (seen == 'p')
				continue;
			pin_audit_fail(au, "the device finds %d in the page, the process wrote 'p'",
				       seen);
			break;
		}
		pin_bench_step(&b, "write", 0, 0, 0);
		pin_bench_give(&b, PIN_HELPER_GIVE_PAGES, 0);
	}
	pin_bench_close(&b);
	return PIN_PASS;
}

/* --- a seal --- */

/*
 * A memfd that nobody maps for writing can be sealed, so that nobody writes to it ever
 * again. A device may, as long as one of its pages is pinned.
 */
static enum pin_verdict sealed(struct pin_audit *au, const void *kind)
{
	struct pin_bench b;
	int err;

	if (!pin_bench_open(&b, au, kind, PAGES))
		return PIN_SKIP;
	pin_mem_cut(&b.m, 0, b.k->page_size);
	if (pin_bench_take(&b, PIN_HELPER_PIN, PIN_HELPER_WRITE)) {
		pin_mem_unmap(&b.m);
		err = fcntl(b.m.fd, F_ADD_SEALS, F_SEAL_WRITE) ? -errno : 0;
		pin_bench_step(&b, "seal", 0, 0, err == -EBUSY ? 0 : err ?: -EILSEQ);
		pin_bench_give(&b, PIN_HELPER_GIVE_PAGES, 0);
		err = fcntl(b.m.fd, F_ADD_SEALS, F_SEAL_WRITE) ? -errno : 0;
		pin_bench_step(&b, "seal what is not pinned", 0, 0, err);
	}
	pin_bench_close(&b);
	return PIN_PASS;
}

/* --- memory offline --- */

#define MEMORY		"/sys/devices/system/memory/"

/* Does the file @name of the block begin with @word? */
static bool block_is(unsigned long block, const char *name, const char *word)
{
	char path[128];

	snprintf(path, sizeof(path), MEMORY "memory%lu/%s", block, name);
	return pin_file_begins(path, word);
}

/*
 * The kernel tries again and again until a signal comes. True if the block
 * went offline within @ms.
 */
static bool offline(unsigned long block, unsigned int ms)
{
	uint64_t deadline = pin_now_ns() + ms * 1000000ull;
	char path[128];
	pid_t pid;

	snprintf(path, sizeof(path), MEMORY "memory%lu/state", block);
	pid = fork();
	if (!pid) {
		pin_scratch_disown();
		_exit(pin_write_file(path, "offline") ? 1 : 0);
	}
	while (waitpid(pid, NULL, WNOHANG) == 0) {
		if (pin_now_ns() > deadline) {
			kill(pid, SIGKILL);
			waitpid(pid, NULL, 0);
			break;
		}
		pin_sleep_ns(2000000);
	}
	return block_is(block, "state", "offline");
}

/* Pages of a block, or 0. */
static unsigned long block_pages(struct pin_bench *b)
{
	char text[32] = "";
	int fd = open(MEMORY "block_size_bytes", O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return 0;
	if (read(fd, text, sizeof(text) - 1) <= 0)
		*text = '\0';
	close(fd);
	return strtoul(text, NULL, 16) / b->k->page_size;
}

/* The kernel took some of it for itself at boot: it never goes offline. */
static bool has_reserved(struct pin_bench *b, unsigned long block)
{
	unsigned long size = block_pages(b);
	struct pin_helper_page *pages = calloc(size, sizeof(*pages));
	bool found = !pages;

	for (unsigned long i = 0; pages && i < size; i++)
		pages[i].pfn = block * size + i;
	for (unsigned long done = 0; !found && done < size; done += PIN_HELPER_MAX_INSPECT) {
		unsigned long n = size - done < PIN_HELPER_MAX_INSPECT ? size - done :
				  PIN_HELPER_MAX_INSPECT;

		found = pin_helper_look_again(b->fd, n, pages + done);
	}
	for (unsigned long i = 0; !found && i < size; i++)
		found = pages[i].flags & PIN_HELPER_PAGE_RESERVED;
	free(pages);
	return found;
}

/* All of the buffer in one block of ZONE_MOVABLE: its number, or -1. */
static long block_of(struct pin_bench *b, const struct pin_helper_page *pages)
{
	unsigned long size = block_pages(b);

	if (!size)
		return -1;
	for (unsigned int i = 0; i < b->m.pages; i++) {
		if (!(pages[i].flags & PIN_HELPER_PAGE_MOVABLE_ZONE) ||
		    pages[i].pfn / size != pages[0].pfn / size)
			return -1;
	}
	return pages[0].pfn / size;
}

/*
 * A buffer in a block that can go offline; the border of the zone may run
 * through a block. Its number, or -1: nothing is open then.
 */
static long open_in_block(struct pin_bench *b, struct pin_audit *au, const char *kind,
			  struct pin_helper_page **pages)
{
	const struct pin_counters *c = pin_audit_counters(au);
	long block;

	for (int i = 0; i < (c->nr_nodes ?: 1); i++) {
		if (!pin_bench_open_on(b, au, kind, PAGES, c->nr_nodes ? c->node_id[i] : 0))
			return -1;
		*pages = pin_bench_look(b);
		block = *pages ? block_of(b, *pages) : -1;
		if (block >= 0 && block_is(block, "valid_zones", "Movable") &&
		    !has_reserved(b, block))
			return block;
		free(*pages);
		pin_bench_close(b);
	}
	pin_audit_skip(au, "no page in a memory block that can go offline: kernel option MEMORY_HOTREMOVE, a guest with --hotplug");
	return -1;
}

/* The scan names our pages as what keeps the block from going offline, and no other. */
static void check_blame(struct pin_bench *b, long block, const struct pin_helper_page *then)
{
	struct pin_helper_page list[2 * PAGES] = { 0 };
	struct pin_helper_scan_count counts[8] = { 0 };
	struct pin_helper_scan scan = {
		.flags = PIN_HELPER_SCAN_LIST | PIN_HELPER_SCAN_MOVABLE,
		.first_pfn = block * block_pages(b),
		.end_pfn = (block + 1) * block_pages(b),
		.counts = (uintptr_t)counts, .counts_room = 8,
		.list = (uintptr_t)list, .list_room = 2 * PAGES,
	};
	int err = pin_helper_scan(b->fd, &scan);
	unsigned int found = 0;

	for (unsigned int i = 0; i < scan.list_used; i++) {
		for (unsigned int j = 0; j < b->m.pages; j++)
			found += list[i].pfn == then[j].pfn;
	}
	if (err || !scan.done || found != b->m.pages || scan.list_used != found)
		pin_audit_fail(b->au, "the scan of block %ld lists %u pages, %u of them ours, must be %u (%s)",
			       block, scan.list_used, found, b->m.pages, strerror(-err));
}

static enum pin_verdict offlining(struct pin_audit *au, const void *kind)
{
	struct pin_helper_page *then;
	struct pin_bench b;
	long block;

	if (!pin_audit_kernel(au)->movable_memory)
		return pin_audit_skip(au, "no memory in ZONE_MOVABLE: a guest with --hotplug");
	block = open_in_block(&b, au, kind, &then);
	if (block < 0)
		return PIN_SKIP;
	if (!pin_bench_take(&b, PIN_HELPER_PIN, PIN_HELPER_WRITE))
		goto out;
	if (offline(block, 3 * DWELL_MS))
		pin_audit_fail(au, "memory block %ld went offline with pinned pages", block);
	check_blame(&b, block, then);
	check_data(&b);
	pin_bench_step(&b, "offline", 0, 0, 0);
	pin_bench_give(&b, PIN_HELPER_GIVE_PAGES, 0);
	if (!offline(block, 3 * WAIT_MS))
		pin_audit_fail(au, "memory block %ld does not go offline, though no pin is left",
			       block);
	else if (pin_bench_differ(&b, 'd'))
		pin_audit_fail(au, "the data did not move with the pages");
	if (block_is(block, "state", "offline")) {
		char path[128];

		snprintf(path, sizeof(path), MEMORY "memory%ld/state", block);
		if (pin_write_file(path, "online_movable"))
			pin_audit_fail(au, "memory block %ld does not come back", block);
	}
	pin_audit_restart(au);
out:
	free(then);
	pin_bench_close(&b);
	return PIN_PASS;
}

/* --- memory that fails --- */

/* The process is told at once, and would die of it. */
static void carry_on(int sig)
{
}

/*
 * The hardware finds a pinned page broken. It is unmapped and nobody gets it again,
 * but who has pinned it does not know, and lets go of it as of the others.
 */
static enum pin_verdict fails(struct pin_audit *au, const void *kind)
{
	const struct sigaction stay = { .sa_handler = carry_on };
	struct sigaction before;
	struct pin_helper_page *then;
	struct pin_bench b;
	char *bad;

	if (!open_pinned(&b, au, kind, PAGES, need_expendable))
		return PIN_PASS;
	then = pin_bench_look(&b);
	bad = (char *)b.m.addr + b.m.pages / 2 * b.k->page_size;
	sigaction(SIGBUS, &stay, &before);
	/* It may say that somebody still has it, which is true. */
	if (madvise(bad, b.k->page_size, MADV_HWPOISON) &&
	    errno != EBUSY && errno != EHWPOISON)
		pin_audit_fail(au, "MADV_HWPOISON: %s", strerror(errno));
	sigaction(SIGBUS, &before, NULL);
	if (then && pin_helper_look_again(b.fd, b.m.pages, then))
		pin_audit_fail(au, "the pages cannot be looked at");
	for (unsigned int i = 0; then && i < b.m.pages; i++) {
		if (!(then[i].flags & PIN_HELPER_PAGE_MAYBE_PINNED))
			pin_audit_fail(au, "page %u of %u does not look pinned any more", i,
				       b.m.pages);
	}
	free(then);
	pin_bench_step(&b, "failure", 0, 0, 0);
	pin_bench_give(&b, PIN_HELPER_GIVE_PAGES, 0);
	pin_bench_close(&b);
	return PIN_PASS;
}

/* --- pages that turn out to be broken --- */

/* What the kernel says when page @nr is: 0 or -errno. Who maps it is told by SIGBUS. */
static int poison(const struct pin_bench *b, unsigned int nr)
{
	const struct sigaction action = { .sa_handler = carry_on };
	int status = 0;
	pid_t pid = fork();

	if (!pid) {
		pin_scratch_disown();
		sigaction(SIGBUS, &action, NULL);
		_exit(madvise((char *)b->m.addr + nr * b->k->page_size, b->k->page_size,
			      MADV_HWPOISON) ? errno : 0);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid || !WIFEXITED(status))
		return -ECHILD;
	return -WEXITSTATUS(status);
}

/* A page that somebody has pinned, and will write to, has not been got rid of. */
static enum pin_verdict poisoned(struct pin_audit *au, const void *kind)
{
	struct pin_bench b;

	if (!open_pinned(&b, au, kind, PAGES, need_expendable))
		return PIN_PASS;
	pin_bench_step(&b, "a pinned page is broken", 0, 0, poison(&b, 1) == -EBUSY ? 0 : -EILSEQ);
	pin_bench_give(&b, PIN_HELPER_GIVE_PAGES, 0);
	pin_bench_step(&b, "a page that is not pinned is", 0, 0, poison(&b, 2));
	pin_bench_close(&b);
	return PIN_PASS;
}

/* --- what is cut out of a file --- */

#define HOLE_FIRST	3
#define HOLE_PAGES	4

/*
 * Of a large folio that cannot be split, as it is pinned, a part is no more the file's: it
 * reads as zeros, for the device as well, whose folio it stays.
 */
static enum pin_verdict punched(struct pin_audit *au, const void *kind)
{
	struct pin_bench b;
	unsigned int wrong = 0;
	size_t ps;
	int seen;

	if (!pin_bench_open(&b, au, kind, PAGES))
		return PIN_SKIP;
	ps = b.k->page_size;
	pin_bench_write(&b, 1);
	if (!pin_bench_take(&b, PIN_HELPER_PIN, PIN_HELPER_WRITE))
		goto out;
	if (fallocate(b.m.fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
		      pin_mem_offset(&b.m) + HOLE_FIRST * ps, HOLE_PAGES * ps))
		pin_audit_fail(au, "fallocate: %s", strerror(errno));
	for (unsigned int i = 0; i < b.m.pages; i++)
		wrong += ((char *)b.m.addr)[i * ps] !=
			 (i < HOLE_FIRST || i >= HOLE_FIRST + HOLE_PAGES);
	if (wrong)
		pin_audit_fail(au, "%u of %u pages are not as a hole of %u leaves them", wrong,
			       b.m.pages, HOLE_PAGES);
	seen = b.m.folio_pages > 1 ? pin_helper_peek(b.fd, b.handle, HOLE_FIRST * ps) : 0;
	if (seen)
		pin_audit_fail(au, "the device finds %d in the hole", seen);
	pin_bench_step(&b, "punch", 0, 0, 0);
	pin_bench_give(&b, PIN_HELPER_GIVE_PAGES, 0);
out:
	pin_bench_close(&b);
	return PIN_PASS;
}

static void add_tests(struct pin_suite *s)
{
	static const bool no = false, yes = true;

	/* First: a block with pages that others have taken out of use does not come back. */
	pin_suite_add(s, offlining, "anon", "offline.anon");
	pin_suite_add(s, offlining, "memfd", "offline.memfd");
	for (size_t i = 0; i < sizeof(threats) / sizeof(threats[0]); i++)
		pin_suite_add(s, stays, &threats[i], "%s.%s", threats[i].name,
			      threats[i].kind);
	pin_suite_add(s, refused, "anon", "refused.anon");
	pin_suite_add(s, refused, "memfd", "refused.memfd");
	pin_suite_add(s, stays_exclusive, &no, "exclusive.anon");
	pin_suite_add(s, stays_exclusive, &yes, "exclusive.anon.dontfork");
	for (size_t i = 0; i < sizeof(writtens) / sizeof(writtens[0]); i++)
		pin_suite_add(s, written, &writtens[i], "%s", writtens[i].name);
	pin_suite_add(s, poisoned, "memfd", "broken.memfd");
	pin_suite_add(s, punched, "memfd", "punch.memfd");
	pin_suite_add(s, punched, "memfd_thp", "punch.memfd_thp");
	pin_suite_add(s, sealed, "memfd", "seal.memfd");
	pin_suite_add(s, sealed, "memfd_hugetlb", "seal.memfd_hugetlb");
	pin_suite_add(s, fails, "anon", "fails.anon");
	pin_suite_add(s, fails, "memfd", "fails.memfd");
	pin_suite_add(s, fails, "thp_part", "fails.thp_part");
}

static void setup(struct pin_suite *s)
{
	pin_bench_setup(s, 2);
}

int main(int argc, char **argv)
{
	static const struct pin_program program = {
		.name = "pinned_stays_test",
		.doc = "Pinned pages stay where they are and what they are: migration, compaction, reclaim, KSM, THP split and collapse, a seal, soft offline and memory offline are refused, or leave them alone, and work after the unpin.",
		.add_tests = add_tests,
		.setup = setup,
	};

	return pin_suite_main(&program, argc, argv);
}
