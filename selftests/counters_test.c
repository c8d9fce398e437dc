// SPDX-License-Identifier: GPL-2.0
/*
 * The counters themselves: that they are there, only grow, add up over the
 * nodes, are exact after a flush, and that what was released was acquired.
 */
#include <errno.h>
#include <numa.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#include "suite.h"

#define MANY	1000	/* far from any multiple of the per-CPU threshold */

static long read_page(const void *page, unsigned int times)
{
	char byte;
	struct iovec local = { &byte, 1 }, remote = { (void *)page, 1 };

	while (times--) {
		if (process_vm_readv(getpid(), &local, 1, &remote, 1, 0) != 1)
			return -errno;
	}
	return 0;
}

static struct pin_predict pinned(unsigned int pages)
{
	return (struct pin_predict){ .acquired = pages, .released = pages };
}

static enum pin_verdict nothing_moves(struct pin_audit *au, const void *arg)
{
	const struct pin_predict nothing = pinned(0);

	for (int i = 0; i < 100; i++) {
		if (!pin_audit_step(au, "nothing", &nothing, 0, 0))
			break;
	}
	return PIN_PASS;
}

static enum pin_verdict exact(struct pin_audit *au, const void *arg)
{
	const unsigned int *pages = arg;
	const struct pin_predict want = pinned(*pages);
	char here = 0;

	pin_audit_step(au, "read", &want, read_page(&here, *pages), 0);
	return PIN_PASS;
}

/* Nobody flushes on our behalf, so a plain read may only be too low. */
static enum pin_verdict stale_is_low(struct pin_audit *au, const void *arg)
{
	const struct pin_predict want = pinned(MANY);
	struct pin_snapshot stale;
	char here = 0;
	long result;

	if (!pin_counters_exact(pin_audit_counters(au)))
		return pin_audit_skip(au, "needs root: /proc/sys/vm/stat_refresh");
	result = read_page(&here, MANY);
	if (pin_counters_read_stale(pin_audit_counters(au), &stale))
		return pin_audit_fail(au, "the counters cannot be read");
	if (!pin_audit_step(au, "read", &want, result, 0))
		return PIN_FAIL;
	if (stale.total.acquired > pin_audit_base(au)->total.acquired ||
	    stale.total.released > pin_audit_base(au)->total.released)
		return pin_audit_fail(au, "a reading without a flush was above the one with");
	return PIN_PASS;
}

static enum pin_verdict monotonic(struct pin_audit *au, const void *arg)
{
	const struct pin_predict want = pinned(100);
	struct pin_snapshot last, now;
	char here = 0;
	long result = 0;

	if (pin_counters_read_stale(pin_audit_counters(au), &last))
		return pin_audit_fail(au, "the counters cannot be read");
	for (int i = 0; i < 100 && !result; i++) {
		result = read_page(&here, 1);
		pin_counters_read_stale(pin_audit_counters(au), &now);
		if (now.total.acquired < last.total.acquired ||
		    now.total.released < last.total.released)
			return pin_audit_fail(au, "a counter went back: %llu/%llu after %llu/%llu",
					      (unsigned long long)now.total.acquired,
					      (unsigned long long)now.total.released,
					      (unsigned long long)last.total.acquired,
					      (unsigned long long)last.total.released);
		last = now;
	}
	pin_audit_step(au, "read", &want, result, 0);
	return PIN_PASS;
}

static enum pin_verdict nodes_add_up(struct pin_audit *au, const void *arg)
{
	const struct pin_counters *c = pin_audit_counters(au);
	struct pin_count sum = { 0, 0 };
	struct pin_snapshot s;

	if (!c->nr_nodes)
		return pin_audit_skip(au, "no /sys/devices/system/node/node*/vmstat: kernel option NUMA, and /sys mounted");
	if (pin_audit_not_in_own(au, "nodes"))
		return PIN_SKIP;
	if (pin_counters_read_whole(c, &s, 10000000000ull))
		return pin_audit_skip(au, "inconclusive: machine busy: the counters never came to rest");
	for (int i = 0; i < c->nr_nodes; i++) {
		sum.acquired += s.node[i].acquired;
		sum.released += s.node[i].released;
	}
	if (sum.acquired != s.total.acquired || sum.released != s.total.released)
		return pin_audit_fail(au, "the nodes add up to %llu acquired and %llu released, /proc/vmstat has %llu and %llu",
				      (unsigned long long)sum.acquired,
				      (unsigned long long)sum.released,
				      (unsigned long long)s.total.acquired,
				      (unsigned long long)s.total.released);
	return PIN_PASS;
}

/* The node of the page counts, not that of the CPU. */
static enum pin_verdict on_node(struct pin_audit *au, const void *arg)
{
	const int *node = arg;
	const struct pin_predict want = pinned(MANY);
	size_t size = pin_audit_kernel(au)->page_size;
	char *page;
	long result;

	if (numa_available() < 0)
		return pin_audit_skip(au, "no NUMA policy: kernel option NUMA");
	if (pin_audit_not_in_own(au, "nodes"))
		return PIN_SKIP;
	page = numa_alloc_onnode(size, *node);
	if (!page)
		return pin_audit_skip(au, "no memory on node %d", *node);
	*page = 1;
	pin_audit_expect_node(au, *node);
	result = read_page(page, MANY);
	pin_audit_step(au, "read", &want, result, 0);
	numa_free(page, size);
	return PIN_PASS;
}

/*
 * Since boot, more cannot have been released than acquired, except on a kernel
 * known to miscount direct I/O, where it tells that somebody did some.
 */
static enum pin_verdict not_over_released(struct pin_audit *au, const void *arg)
{
	const struct pin_known_issue *issue;
	struct pin_snapshot s;
	int64_t outstanding;

	if (pin_counters_settle(pin_audit_counters(au), &s, 10000000000ull))
		return pin_audit_skip(au, "inconclusive: machine busy: the counters never came to rest");
	outstanding = pin_outstanding(&s.total);
	pin_audit_note(au, "outstanding since boot: %lld pages", (long long)outstanding);
	if (outstanding >= 0)
		return PIN_PASS;
	issue = pin_known_issue(pin_audit_kernel(au), "dio_read", "vfat");
	if (!issue)
		return pin_audit_fail(au, "more was released than acquired since boot");
	pin_audit_note(au, "known issue %s: %s", issue->id, issue->reason);
	return PIN_XFAIL;
}

static void add_tests(struct pin_suite *s)
{
	static const unsigned int one = 1, many = MANY;
	const struct pin_counters *c = pin_suite_counters(s);

	pin_suite_add(s, nothing_moves, NULL, "idle");
	pin_suite_add(s, exact, &one, "exact.1");
	pin_suite_add(s, exact, &many, "exact.1000");
	pin_suite_add(s, stale_is_low, NULL, "stale");
	pin_suite_add(s, monotonic, NULL, "monotonic");
	pin_suite_add(s, nodes_add_up, NULL, "nodes.sum");
	for (int i = 0; i < c->nr_nodes; i++)
		pin_suite_add(s, on_node, &c->node_id[i], "nodes.node%d", c->node_id[i]);
	pin_suite_add(s, not_over_released, NULL, "since_boot");
}

int main(int argc, char **argv)
{
	static const struct pin_program program = {
		.name = "counters_test",
		.doc = "The counters nr_foll_pin_acquired and nr_foll_pin_released themselves: they only grow, add up over the nodes, and are exact after a flush.",
		.add_tests = add_tests,
	};

	return pin_suite_main(&program, argc, argv);
}
