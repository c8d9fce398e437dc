// SPDX-License-Identifier: GPL-2.0
/*
 * Pins are counted on the node of the page: acquired there, and released there
 * too, from whatever CPU.
 */
#include <errno.h>
#include <numa.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"

#define PAGES		64
#define HUGEPAGES	2

struct subject {
	const char *kind;
	int node;
};

/* Pages that are not on @node. */
static unsigned int elsewhere(struct pin_bench *b, int node)
{
	struct pin_helper_page *pages = pin_bench_look(b);
	unsigned int n = 0;

	for (unsigned int i = 0; pages && i < b->m.pages; i++)
		n += pages[i].node != node;
	free(pages);
	return n;
}

static void run_on(int node)
{
	/* A node without CPUs: anywhere will do. */
	if (node >= 0 && numa_run_on_node(node))
		numa_run_on_node(-1);
}

static enum pin_verdict on_node(struct pin_audit *au, const void *arg)
{
	const struct pin_counters *c = pin_audit_counters(au);
	const struct subject *sub = arg;
	struct pin_bench b;
	unsigned int lost;

	if (c->nr_nodes < 2 || numa_available() < 0)
		return pin_audit_skip(au, "one memory node only: needs a NUMA machine, or a guest with two nodes");
	if (pin_audit_not_in_own(au, "nodes") ||
	    !pin_bench_open_on(&b, au, sub->kind, PAGES, sub->node))
		return PIN_SKIP;
	lost = elsewhere(&b, sub->node);
	if (lost)
		pin_audit_skip(au, "%u of %u pages are not on node %d: not enough free memory there",
			       lost, b.m.pages, sub->node);
	pin_audit_expect_node(au, sub->node);
	/* Pinned from each node's CPUs, released from the next one's. */
	for (int i = 0; !lost && i < c->nr_nodes; i++) {
		run_on(c->node_id[i]);
		if (!pin_bench_take(&b, PIN_HELPER_PIN_FAST, PIN_HELPER_WRITE))
			break;
		lost = elsewhere(&b, sub->node);
		if (lost)
			pin_audit_fail(au, "%u pages left node %d when they were pinned",
				       lost, sub->node);
		run_on(c->node_id[(i + 1) % c->nr_nodes]);
		if (!pin_bench_give(&b, PIN_HELPER_GIVE_PAGES, 0))
			break;
	}
	numa_run_on_node(-1);
	pin_bench_close(&b);
	return PIN_PASS;
}

static void add_tests(struct pin_suite *s)
{
	static const char *const kinds[] = { "anon", "thp", "hugetlb", "memfd" };
	const struct pin_counters *c = pin_suite_counters(s);

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		for (int n = 0; n < (c->nr_nodes ?: 1); n++) {
			struct subject *sub = calloc(1, sizeof(*sub));

			if (!sub)
				abort();
			sub->kind = kinds[i];
			sub->node = c->nr_nodes ? c->node_id[n] : 0;
			pin_suite_add(s, on_node, sub, "%s.node%d", kinds[i], sub->node);
		}
	}
}

static void setup(struct pin_suite *s)
{
	pin_bench_setup(s, HUGEPAGES);
}

int main(int argc, char **argv)
{
	static const struct pin_program program = {
		.name = "node_test",
		.doc = "What is pinned on a memory node is released on that node, from whatever CPU.",
		.add_tests = add_tests,
		.setup = setup,
	};

	return pin_suite_main(&program, argc, argv);
}
