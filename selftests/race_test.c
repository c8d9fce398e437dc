// SPDX-License-Identifier: GPL-2.0
/*
 * Races: one thread registers a fixed buffer again and again, while another takes
 * pages of it out of the page tables, or their right to be written to. GUP-fast
 * walks these without a lock: what it finds to have changed under its hands it
 * has to give back, and the slow path to pin anew.
 *
 * How often they meet is chance, and how many pins are taken twice; but each is
 * released. (fork_test has fork() against the pin.)
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/falloc.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "consumers/uring.h"
#include "proc.h"
#include "scratch.h"
#include "suite.h"

#define PAGES		64
#define HUGEPAGES	4	/* that are let go live until they are unpinned */
#define LEAST_NS	400000000ull
#define MOST_NS		5000000000ull
#define MEETINGS	4
#define REFUSED_NS	20000000ull

struct change {
	const char *name, *kind;
	unsigned int pages;
	/* Once; @page: anyone of the buffer. 0, or -errno if it cannot be done here. */
	int (*once)(const struct pin_mem *m, unsigned int page);
	int refused;	/* what registering may return besides 0 */
};

static char *page_of(const struct pin_mem *m, unsigned int page)
{
	return (char *)m->addr + page * m->kernel->page_size;
}

static int drop_page(const struct pin_mem *m, unsigned int page)
{
	return madvise(page_of(m, page), m->kernel->page_size, MADV_DONTNEED) ? -errno : 0;
}

static int drop_all(const struct pin_mem *m, unsigned int page)
{
	(void)page;
	return madvise(m->addr, m->len, MADV_DONTNEED) ? -errno : 0;
}

static int punch(const struct pin_mem *m, unsigned int page)
{
	const long ps = m->kernel->page_size;

	return fallocate(m->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, page * ps, ps) ?
	       -errno : 0;
}

static int protect(const struct pin_mem *m, unsigned int page)
{
	const long ps = m->kernel->page_size;

	return mprotect(page_of(m, page), ps, PROT_READ) ||
	       mprotect(page_of(m, page), ps, PROT_READ | PROT_WRITE) ? -errno : 0;
}

static const struct change changes[] = {
	{ "drop.anon", "anon", PAGES, drop_page, 0 },
	{ "drop.thp", "thp", 0, drop_all, 0 },
	{ "drop.hugetlb", "hugetlb", 0, drop_all, -EFAULT },
	{ "punch.memfd", "memfd", PAGES, punch, 0 },
	{ "protect.anon", "anon", PAGES, protect, -EFAULT },
	{ "protect.thp_pte", "thp_pte", PAGES, protect, -EFAULT },
};

static struct {
	const struct change *change;
	const struct pin_mem *mem;
	atomic_bool over;
	atomic_ullong round_ns;		/* that a registration takes */
} changer;

/* At moments that are spread over the time that a registration takes. */
static void *change_pages(void *arg)
{
	unsigned int seed = 1;

	while (!atomic_load(&changer.over)) {
		const uint64_t ns = atomic_load(&changer.round_ns);
		const uint64_t until = pin_now_ns() + (ns ? (uint64_t)rand_r(&seed) % (2 * ns) : 0);

		while (pin_now_ns() < until)
			;
		changer.change->once(changer.mem, rand_r(&seed) % changer.mem->pages);
	}
	return arg;
}

struct result {
	uint64_t done;		/* registrations that succeeded ... */
	uint64_t refused, limited;	/* ... and others */
	uint64_t twice;		/* pins that were taken again, or in vain */
};

/* Register and unregister for a while: 0, or what went wrong. */
static int pin_meanwhile(struct pin_audit *au, struct io_uring *ring, const struct change *c,
			 const struct pin_mem *m, struct result *r)
{
	const bool limited = !pin_have_cap(CAP_IPC_LOCK);
	const struct iovec iov = { m->addr, m->len };
	const uint64_t start = pin_now_ns();
	struct pin_snapshot now;
	uint64_t began;
	int err;

	while (pin_now_ns() - start < MOST_NS &&
	       (pin_now_ns() - start < LEAST_NS || r->twice < MEETINGS)) {
		began = pin_now_ns();
		err = io_uring_register_buffers(ring, &iov, 1);
		if (!err) {
			r->done++;
			err = io_uring_unregister_buffers(ring);
			if (err)
				return err;
			atomic_store(&changer.round_ns, pin_now_ns() - began);
		} else if (err == c->refused) {
			r->refused++;
		} else if (err == -ENOMEM && limited) {
			/* Rounds before may still count against RLIMIT_MEMLOCK. */
			r->limited++;
			pin_sleep_ns(REFUSED_NS);
		} else {
			return err;
		}
		if ((r->done + r->refused) % 64)
			continue;
		if (pin_counters_read_total(pin_audit_counters(au), &now))
			return -EIO;
		r->twice = now.total.acquired - pin_audit_base(au)->total.acquired -
			   r->done * m->pages;
	}
	return 0;
}

static enum pin_verdict race(struct pin_audit *au, const void *arg)
{
	const struct change *c = arg;
	const struct pin_kernel *k = pin_audit_kernel(au);
	struct pin_predict want = { .acquired = 0 };
	struct result r = { .done = 0 };
	struct io_uring ring;
	char why[PIN_WHY_LEN];
	struct pin_mem m;
	cpu_set_t cpus;
	pthread_t thread;
	int err;

	if (!sched_getaffinity(0, sizeof(cpus), &cpus) && CPU_COUNT(&cpus) < 2)
		return pin_audit_skip(au, "takes two CPUs");
	if (pin_uring_new(&ring, 0, why))
		return pin_audit_skip(au, "%s", why);
	err = pin_mem_alloc(&m, pin_memkind_find(c->kind), k, c->pages);
	if (err) {
		io_uring_queue_exit(&ring);
		return pin_audit_skip(au, "%s", m.why);
	}
	err = c->once(&m, 0);
	if (err) {
		pin_audit_skip(au, "pages of this kind cannot be changed so here: %s",
			       strerror(-err));
		goto out;
	}
	pin_audit_restart(au);
	changer.change = c;
	changer.mem = &m;
	atomic_store(&changer.over, false);
	atomic_store(&changer.round_ns, 0);
	err = -pthread_create(&thread, NULL, change_pages, NULL);
	if (!err) {
		err = pin_meanwhile(au, &ring, c, &m, &r);
		atomic_store(&changer.over, true);
		pthread_join(thread, NULL);
	}
	want.acquired = r.done * m.pages;
	want.released = want.acquired;
	want.migrated = (r.done + r.refused + r.limited + 1) * m.pages;	/* at most */
	pin_audit_step(au, "race", &want, err, 0);
	pin_audit_note(au, "%llu registrations, %llu refused; pins taken twice or in vain: %llu",
		       (unsigned long long)r.done, (unsigned long long)(r.refused + r.limited),
		       (unsigned long long)r.twice);
	if (!err && !r.twice)
		pin_audit_skip(au, "in %llu s the pin and the change have not met once",
			       MOST_NS / 1000000000);
out:
	io_uring_queue_exit(&ring);
	pin_mem_free(&m);
	return PIN_PASS;
}

static void add_tests(struct pin_suite *s)
{
	for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++)
		pin_suite_add(s, race, &changes[i], "%s", changes[i].name);
}

static void setup(struct pin_suite *s)
{
	pin_scratch_pool(pin_suite_kernel(s), HUGEPAGES);
}

int main(int argc, char **argv)
{
	static const struct pin_program program = {
		.name = "race_test",
		.doc = "Pages are taken out of the page tables, or become read-only, while they are pinned without a lock: what is pinned twice is released twice. Tests are called CHANGE.MEMORY.",
		.add_tests = add_tests,
		.setup = setup,
	};

	return pin_suite_main(&program, argc, argv);
}
