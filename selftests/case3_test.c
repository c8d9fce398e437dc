// SPDX-License-Identifier: GPL-2.0
/*
 * Case 3 of Documentation/core-api/pin_user_pages.rst: a device that follows
 * the page tables of a process by mmu_interval_notifier.
 *
 * (a) Without replayable page faults: it references the pages (get: not
 *     counted; pin: counted) and lets go as soon as the range is invalidated,
 *     having stopped the device, or waited for what it has under way.
 * (b) With them: hmm_range_fault(), no reference at all; what is invalidated
 *     is faulted in again at the next access.
 */
#include <errno.h>
#include <numa.h>
#include <numaif.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench.h"
#include "scratch.h"

#define PAGES		16
#define BUSY_MS		2000	/* it has that long to begin its work */
#define LATER_US	60000

struct mirror {
	struct pin_bench b;
	unsigned int handle;
	unsigned int way;	/* enum pin_helper_mirror_way */
	bool anon;		/* private memory, for fork() */
	pid_t child;
};

/* What takes the pages away from the device; 0, -errno, or 1: not here. */
struct event {
	const char *name;
	int (*happen)(struct mirror *m);
	bool unmapped;		/* the range cannot be had again */
	bool write_only;	/* a device that only reads does not mind */
};

static int do_munmap(struct mirror *m)
{
	pin_mem_unmap(&m->b.m);
	return 0;
}

static int do_mprotect(struct mirror *m)
{
	return mprotect(m->b.m.addr, m->b.m.len, PROT_READ) ? -errno : 0;
}

static int do_dontneed(struct mirror *m)
{
	return madvise(m->b.m.addr, m->b.m.len, MADV_DONTNEED) ? -errno : 0;
}

static int do_mremap(struct mirror *m)
{
	void *p = mremap(m->b.m.map, m->b.m.map_len, m->b.m.map_len,
			 MREMAP_MAYMOVE | MREMAP_DONTUNMAP, NULL);

	if (p == MAP_FAILED)
		return errno == EINVAL ? 1 : -errno;
	munmap(p, m->b.m.map_len);
	return 0;
}

/* The child keeps the pages shared: now they are read-only for us. */
static int do_fork(struct mirror *m)
{
	m->child = fork();
	if (m->child < 0)
		return -errno;
	if (!m->child) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		pin_scratch_disown();
		for (;;)
			pause();
	}
	return 0;
}

static int do_migrate(struct mirror *m)
{
	const struct pin_counters *c = pin_audit_counters(m->b.au);
	unsigned long nodes;

	if (c->nr_nodes < 2)
		return 1;
	/* To the node where they are not: try both. */
	for (int i = 0; i < 2; i++) {
		nodes = 1ul << c->node_id[i];
		if (mbind(m->b.m.addr, m->b.m.len, MPOL_BIND, &nodes, 8 * sizeof(nodes),
			  MPOL_MF_MOVE))
			return -errno;
	}
	return 0;
}

static const struct event events[] = {
	{ .name = "munmap", .happen = do_munmap, .unmapped = true },
	{ .name = "mprotect", .happen = do_mprotect, .write_only = true },
	{ .name = "dontneed", .happen = do_dontneed },
	{ .name = "mremap", .happen = do_mremap },
	{ .name = "fork", .happen = do_fork },
	{ .name = "migrate", .happen = do_migrate },
};

struct subject {
	const char *name;
	unsigned int way;
	const struct event *event;
};

static bool stat_of(struct mirror *m, struct pin_helper_mirror_stat *st)
{
	int err;

	memset(st, 0, sizeof(*st));
	st->handle = m->handle;
	err = pin_helper_mirror_stat(m->b.fd, st);
	if (err)
		pin_audit_fail(m->b.au, "stat: %s", strerror(-err));
	return !err;
}

static bool open_mirror(struct mirror *m, struct pin_audit *au, unsigned int way,
			unsigned int flags)
{
	struct pin_helper_info info = { .abi = 0 };
	struct pin_helper_mirror arg = { .way = way, .flags = PIN_HELPER_WRITE | flags };
	int err;

	memset(m, 0, sizeof(*m));
	if (!pin_bench_open(&m->b, au, "anon", PAGES))
		return false;
	m->way = way;
	pin_bench_write(&m->b, 1);
	arg.addr = (uintptr_t)m->b.m.addr;
	arg.length = m->b.m.len;
	pin_helper_info(m->b.fd, &info);
	if (!(info.mirrors & 1u << way)) {
		pin_audit_skip(au, "this kernel has no %s",
			       way == PIN_HELPER_MIRROR_HMM ?
			       "hmm_range_fault(): kernel option HMM_MIRROR" :
			       "interval notifiers: kernel option MMU_NOTIFIER");
		goto fail;
	}
	err = pin_helper_mirror(m->b.fd, &arg);
	if (err) {
		pin_audit_fail(au, "mirror: %s", strerror(-err));
		goto fail;
	}
	m->handle = arg.handle;
	return true;
fail:
	pin_bench_close(&m->b);
	return false;
}

static void close_mirror(struct mirror *m)
{
	if (m->child > 0) {
		kill(m->child, SIGKILL);
		waitpid(m->child, NULL, 0);
	}
	pin_bench_close(&m->b);
}

/* Pins that the mirror holds when it has all pages. */
static unsigned int pins_of(const struct mirror *m)
{
	return m->way == PIN_HELPER_MIRROR_PIN ? m->b.m.pages : 0;
}

static int map_mirror(struct mirror *m, uint64_t *pages)
{
	struct pin_helper_mirror_map arg = { .handle = m->handle };
	int err = pin_helper_mirror_map(m->b.fd, &arg);

	*pages = arg.pages;
	return err;
}

/*
 * A pin that has to copy a page first invalidates the range itself: all is
 * dropped then, and taken again, as often as the mirror says.
 */
static bool step_map(struct mirror *m, const char *what)
{
	struct pin_helper_mirror_stat before, after;
	uint64_t pages, again;
	int err;

	if (!stat_of(m, &before))
		return false;
	err = map_mirror(m, &pages);
	if (!stat_of(m, &after))
		return false;
	again = (after.retries - before.retries) * pins_of(m);
	if (!pin_bench_step(&m->b, what, pins_of(m) + again, again, err))
		return false;
	if (pages != m->b.m.pages)
		pin_audit_fail(m->b.au, "%s: %llu pages in the device's view, must be %u",
			       what, (unsigned long long)pages, m->b.m.pages);
	return pages == m->b.m.pages;
}

/* Until the device has done some work. */
static bool make_busy(struct mirror *m)
{
	struct pin_helper_mirror_busy busy = { .handle = m->handle, .on = 1 };
	const uint64_t deadline = pin_now_ns() + BUSY_MS * 1000000ull;
	struct pin_helper_mirror_stat st;
	int err = pin_helper_mirror_busy(m->b.fd, &busy);

	if (err) {
		pin_audit_fail(m->b.au, "busy: %s", strerror(-err));
		return false;
	}
	do {
		pin_sleep_ns(200000);
		if (!stat_of(m, &st))
			return false;
	} while (st.work < 2 * m->b.m.pages && pin_now_ns() < deadline);
	if (st.work < 2 * m->b.m.pages)
		pin_audit_fail(m->b.au, "the device has written only %llu words in %d ms",
			       (unsigned long long)st.work, BUSY_MS);
	return st.work >= 2 * m->b.m.pages;
}

static void expect(struct mirror *m, const char *what, uint64_t found, bool right)
{
	if (!right)
		pin_audit_fail(m->b.au, "%s: %llu", what, (unsigned long long)found);
}

/* After the event: nothing is held, and the device does nothing any more. */
static void check_stopped(struct mirror *m, const char *event)
{
	struct pin_helper_mirror_stat st, later;

	if (!stat_of(m, &st))
		return;
	expect(m, "invalidations", st.invalidations, st.invalidations);
	expect(m, "pages still in the device's view", st.present, !st.present);
	if (m->way != PIN_HELPER_MIRROR_HMM) {
		expect(m, "invalidations that stopped the busy device", st.stopped,
		       st.stopped == 1);
		expect(m, "pages released by invalidations", st.released,
		       st.released == m->b.m.pages);
		expect(m, "device is busy", st.busy, !st.busy);
		pin_sleep_ns(2000000);
		if (stat_of(m, &later))
			expect(m, "words written by the stopped device",
			       later.work - st.work, later.work == st.work);
	}
	pin_audit_note(m->b.au, "%s: %llu invalidations, %llu retries", event,
		       (unsigned long long)st.invalidations,
		       (unsigned long long)st.retries);
}

/* The first words of the pages grow: the device works on the process's memory. */
static void check_work(struct mirror *m)
{
	volatile uint64_t *word = m->b.m.addr;
	const uint64_t deadline = pin_now_ns() + BUSY_MS * 1000000ull;
	const uint64_t then = *word;

	while (*word == then && pin_now_ns() < deadline)
		pin_sleep_ns(100000);
	if (*word == then)
		pin_audit_fail(m->b.au, "the device works, but not on the memory of the process");
}

static void check_again(struct mirror *m, const struct event *e)
{
	char *p = m->b.m.addr;
	uint64_t pages;
	int err;

	err = pin_helper_fill(m->b.fd, m->handle, 0, 0, 1, 7);
	if (e->unmapped || e->write_only) {
		/* Nothing there, or nothing that may be written. */
		err = map_mirror(m, &pages);
		pin_bench_step(&m->b, "map what is not there", 0, 0, err ? 0 : -1);
		if (e->unmapped)
			return;
		mprotect(m->b.m.addr, m->b.m.len, PROT_READ | PROT_WRITE);
	} else if (m->way != PIN_HELPER_MIRROR_HMM && err != -EAGAIN) {
		pin_audit_fail(m->b.au, "access to what is invalidated: %s, must be EAGAIN",
			       strerror(-err));
	} else if (m->way == PIN_HELPER_MIRROR_HMM && err) {
		pin_audit_fail(m->b.au, "access to what is invalidated, to be faulted in again: %s",
			       strerror(-err));
	}
	if (!step_map(m, "map again"))
		return;
	err = pin_helper_fill(m->b.fd, m->handle, 0, 0, m->b.m.len, 7);
	if (err)
		pin_audit_fail(m->b.au, "access after mapping again: %s", strerror(-err));
	else if (p[0] != 7 || p[m->b.m.len - 1] != 7)
		pin_audit_fail(m->b.au, "what the device wrote is not in the memory of the process");
	pin_bench_step(&m->b, "close", 0, pins_of(m),
		       pin_helper_release(m->b.fd, m->handle));
}

static enum pin_verdict invalidate(struct pin_audit *au, const void *arg)
{
	const struct subject *sub = arg;
	struct mirror m;
	int err;

	if (!open_mirror(&m, au, sub->way, 0))
		return PIN_SKIP;
	if (!step_map(&m, "map") || !make_busy(&m))
		goto out;
	check_work(&m);
	err = sub->event->happen(&m);
	if (err == 1) {
		pin_audit_skip(au, "%s cannot be done here: two memory nodes, or a later kernel",
			       sub->event->name);
		pin_bench_step(&m.b, "close", 0, pins_of(&m),
			       pin_helper_release(m.b.fd, m.handle));
		goto out;
	}
	/* As soon as the call has returned, all is released. */
	if (!pin_bench_step(&m.b, sub->event->name, 0, pins_of(&m), err))
		goto out;
	if (sub->way != PIN_HELPER_MIRROR_HMM || sub->event->unmapped)
		check_stopped(&m, sub->event->name);
	if (sub->way == PIN_HELPER_MIRROR_HMM) {
		struct pin_helper_mirror_busy idle = { .handle = m.handle };

		pin_helper_mirror_busy(m.b.fd, &idle);
	}
	check_again(&m, sub->event);
out:
	close_mirror(&m);
	return PIN_PASS;
}

/* No reference is kept: the pages are as they were before the device came. */
static enum pin_verdict hmm_no_reference(struct pin_audit *au, const void *arg)
{
	static const struct pin_predict nothing;
	struct pin_view *v;
	struct mirror m;

	if (!open_mirror(&m, au, PIN_HELPER_MIRROR_HMM, 0))
		return PIN_SKIP;
	v = pin_audit_view(au, 0, m.b.m.addr, m.b.m.pages);
	if (step_map(&m, "map"))
		pin_audit_held(au, "map", v, &nothing);
	pin_bench_step(&m.b, "close", 0, 0, pin_helper_release(m.b.fd, m.handle));
	pin_audit_back(au, "close", v);
	pin_view_close(v);
	close_mirror(&m);
	return PIN_PASS;
}

/* The device's pages come by faults, not by a call: each page once. */
static enum pin_verdict hmm_faults(struct pin_audit *au, const void *arg)
{
	struct pin_helper_mirror_stat st;
	struct mirror m;
	int err;

	if (!open_mirror(&m, au, PIN_HELPER_MIRROR_HMM, 0))
		return PIN_SKIP;
	for (int round = 0; round < 3; round++) {
		err = pin_helper_fill(m.b.fd, m.handle, 0, 0, m.b.m.len, round + 2);
		pin_bench_step(&m.b, "access", 0, 0, err);
		if (pin_bench_differ(&m.b, round + 2))
			pin_audit_fail(au, "round %d: the device wrote elsewhere", round);
		if (stat_of(&m, &st))
			expect(&m, "pages faulted in", st.faults,
			       st.faults == (uint64_t)(round + 1) * m.b.m.pages);
		madvise(m.b.m.addr, m.b.m.len, MADV_DONTNEED);
		if (stat_of(&m, &st))
			expect(&m, "pages after they were dropped", st.present, !st.present);
	}
	close_mirror(&m);
	return PIN_PASS;
}

/* What the device has under way: it must not happen after the invalidation. */
static enum pin_verdict pending(struct pin_audit *au, const void *arg)
{
	const bool sync = *(const bool *)arg;
	struct pin_helper_dma dma = {
		.op = PIN_HELPER_DMA_FILL, .flags = PIN_HELPER_DMA_LATER,
		.value = 9, .delay = LATER_US,
	};
	struct pin_helper_mirror_stat st;
	struct pin_helper_wait wait = { .timeout = 100 * LATER_US };
	struct mirror m;
	char then, after;
	int err;

	if (!open_mirror(&m, au, PIN_HELPER_MIRROR_PIN, sync ? PIN_HELPER_MIRROR_SYNC : 0))
		return PIN_SKIP;
	if (!step_map(&m, "map"))
		goto out;
	dma.handle = m.handle;
	dma.length = m.b.m.len;
	err = pin_helper_dma(m.b.fd, &dma);
	if (err) {
		pin_audit_fail(au, "delayed access: %s", strerror(-err));
		goto out;
	}
	err = mprotect(m.b.m.addr, m.b.m.len, PROT_READ) ? -errno : 0;
	then = *(volatile char *)m.b.m.addr;
	pin_bench_step(&m.b, "mprotect", 0, m.b.m.pages, err);
	wait.handle = m.handle;
	err = pin_helper_wait(m.b.fd, &wait);
	pin_sleep_ns(2 * LATER_US * 1000ull);
	after = *(volatile char *)m.b.m.addr;
	if (err)
		pin_audit_fail(au, "wait: %s", strerror(-err));
	if (then != after)
		pin_audit_fail(au, "the device wrote after the invalidation had returned: %d, was %d",
			       after, then);
	if (sync && (wait.error || then != 9))
		pin_audit_fail(au, "the invalidation did not wait for the work: %s, memory has %d",
			       strerror(-wait.error), then);
	if (!sync && (wait.error != -ECANCELED || then != 1))
		pin_audit_fail(au, "the work was not stopped: %s, memory has %d",
			       strerror(-wait.error), then);
	if (stat_of(&m, &st))
		expect(&m, "invalidations that waited", st.waited, st.waited == sync);
out:
	close_mirror(&m);
	return PIN_PASS;
}

/* The process ends while its device is busy: nothing stays. */
static enum pin_verdict dies_busy(struct pin_audit *au, const void *arg)
{
	const unsigned int *way = arg;
	struct pin_predict balanced = { .migrated = PAGES };
	struct pin_bench b;
	struct mirror m;
	pid_t pid;

	if (!pin_bench_open_helper(&b, au))
		return PIN_SKIP;
	pid = fork();
	if (!pid) {
		pin_scratch_disown();
		if (!open_mirror(&m, au, *way, 0))
			_exit(4);
		_exit(step_map(&m, "map") && make_busy(&m) ? 0 : 1);
	}
	int status = 0;

	waitpid(pid, &status, 0);
	if (WEXITSTATUS(status) == 4)
		pin_audit_skip(au, "this kernel has no such mirror");
	else if (status)
		pin_audit_fail(au, "the process could not make its device busy");
	else
		pin_audit_step(au, "exit", &balanced, 0, 0);
	close(b.fd);
	return PIN_PASS;
}

static void add_tests(struct pin_suite *s)
{
	static const char *const names[] = { "get", "pin", "hmm" };
	static const unsigned int ways[] = {
		PIN_HELPER_MIRROR_GET, PIN_HELPER_MIRROR_PIN, PIN_HELPER_MIRROR_HMM,
	};
	static const bool yes = true, no;

	for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
		for (size_t j = 0; j < sizeof(events) / sizeof(events[0]); j++) {
			struct subject *sub = calloc(1, sizeof(*sub));

			if (!sub)
				abort();
			*sub = (struct subject){ names[i], ways[i], &events[j] };
			pin_suite_add(s, invalidate, sub, "%s.%s", names[i], events[j].name);
		}
		pin_suite_add(s, dies_busy, &ways[i], "%s.exit", names[i]);
	}
	pin_suite_add(s, pending, &no, "pending.stopped");
	pin_suite_add(s, pending, &yes, "pending.waited_for");
	pin_suite_add(s, hmm_no_reference, NULL, "hmm.no_reference");
	pin_suite_add(s, hmm_faults, NULL, "hmm.faults");
}

int main(int argc, char **argv)
{
	static const struct pin_program program = {
		.name = "case3_test",
		.doc = "Devices that follow the page tables by MMU notifiers: with references, with pins, and with neither.",
		.add_tests = add_tests,
	};

	return pin_suite_main(&program, argc, argv);
}
