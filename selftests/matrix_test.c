// SPDX-License-Identifier: GPL-2.0
/*
 * The matrix: every consumer on every memory kind with every ending, and each
 * cell exact: what is acquired, what is released, when, on which node, and
 * what VmPin says.
 */
#include <errno.h>
#include <linux/capability.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "actor.h"
#include "bench.h"
#include "page_view.h"
#include "probe.h"
#include "proc.h"
#include "suite.h"

#define PAGES		64	/* of kinds that have no size of their own */
#define HUGEPAGES	9	/* per node: one per ending, and the copy at fork */
#define RLIMIT_WAIT_NS	2000000000ull
#define DWELL_NS	40000000ull	/* a late release would come within that */

struct cell {
	const struct pin_consumer *consumer;
	const struct pin_memkind *kind;
	const struct ending *ending;
	int node;
};

struct run;

struct ending {
	const char *name;
	bool momentary;		/* of pins that end inside the call */
	bool needs_unpin;
	bool by_anyone;		/* not by the process alone that has them */
	bool unmaps;		/* the memory goes, too */
	const char *only;	/* on that kind of memory, one is enough; or NULL */
	/* Steps before the last release: true to go on. May be NULL. */
	bool (*prepare)(struct run *r);
	/* Set the last release going: true if its VmPin can still be read. */
	bool (*last)(struct run *r);
};

/* One cell while it runs. */
struct run {
	struct pin_audit *au;
	struct pin_actor actor;
	const struct cell *cell;
	struct pin_actor_reply reply;
	struct pin_predict pin, unpin;
	uint64_t held;		/* pages, by prediction */
	size_t pages;		/* of the memory */
	struct pin_view *view;	/* page by page; NULL: no helper */
};

static const struct pin_predict nothing;

static bool order(struct run *r, enum pin_actor_cmd cmd)
{
	return pin_actor_order(r->au, &r->actor, cmd, &r->reply);
}

static bool step(struct run *r, enum pin_actor_cmd cmd, const char *what,
		 const struct pin_predict *want)
{
	if (!order(r, cmd))
		return false;
	return pin_audit_step(r->au, what, want, r->reply.result, r->actor.pid);
}

/*
 * Without CAP_IPC_LOCK the pins of earlier cells may still count against
 * RLIMIT_MEMLOCK: their release is late. The kernel pins first and asks
 * afterwards, so each refusal has a price that is known.
 */
static bool step_pin(struct run *r)
{
	const struct pin_predict refused = {
		.acquired = r->pin.acquired,
		.released = r->pin.acquired,
		.result = -ENOMEM,
		.or_result = -ENOMEM,
	};
	uint64_t deadline = pin_now_ns() + RLIMIT_WAIT_NS;
	bool limited = !pin_have_cap(CAP_IPC_LOCK);

	while (order(r, PIN_ACTOR_PIN)) {
		if (!limited || r->reply.result != -ENOMEM || r->pin.result < 0 ||
		    pin_now_ns() > deadline)
			return pin_audit_step(r->au, "pin", &r->pin,
					      r->reply.result, r->actor.pid);
		if (!pin_audit_step(r->au, "pin refused by RLIMIT_MEMLOCK", &refused,
				    r->reply.result, r->actor.pid))
			return false;
		pin_sleep_ns(5000000);
	}
	return false;
}

static bool unpin_by(struct run *r, enum pin_actor_cmd who, const char *what)
{
	if (r->pin.result < 0)
		return true;		/* nothing to release */
	if (!step(r, who, what, &r->unpin))
		return false;
	r->held -= r->unpin.released - r->unpin.acquired;
	r->pin.vmpin += r->unpin.vmpin;
	return r->cell->ending->unmaps || r->held || pin_audit_back(r->au, what, r->view);
}

static bool unpin(struct run *r)
{
	return unpin_by(r, PIN_ACTOR_UNPIN, "release");
}

static bool unpin_by_child(struct run *r)
{
	return unpin_by(r, PIN_ACTOR_UNPIN_BY_CHILD, "release by a child");
}

static bool unmap(struct run *r)
{
	if (!step(r, PIN_ACTOR_MUNMAP, "munmap", &nothing))
		return false;
	return !r->cell->consumer->unpin || unpin(r);
}

/*
 * The child inherits what holds the pins: they must outlive the parent. What that is
 * charged for is not the child's.
 */
static bool leave_child(struct run *r)
{
	struct pin_statement its;

	if (!step(r, PIN_ACTOR_FORK, "fork", &nothing))
		return false;
	if (!pin_statement_read(r->reply.child, &its) && (its.vmpin_kib || its.vmlck_kib))
		pin_audit_fail(r->au, "a child begins with VmPin %ld KiB and VmLck %ld KiB",
			       its.vmpin_kib, its.vmlck_kib);
	if (!order(r, PIN_ACTOR_EXIT) || !pin_actor_gone(r->au, &r->actor))
		return false;
	if (!strcmp(r->cell->kind->name, "anon"))
		pin_sleep_ns(DWELL_NS);
	return pin_audit_step(r->au, "parent exit", &nothing, 0, 0);
}

static bool last_close(struct run *r)
{
	return order(r, PIN_ACTOR_CLOSE);
}

static bool last_close_by_child(struct run *r)
{
	if (!order(r, PIN_ACTOR_CLOSE_BY_CHILD))
		return false;
	if (r->reply.result)
		pin_audit_fail(r->au, "the child: %ld", r->reply.result);
	return true;
}

static bool last_exit(struct run *r)
{
	if (order(r, PIN_ACTOR_EXIT))
		pin_actor_gone(r->au, &r->actor);
	return false;
}

static bool last_kill(struct run *r)
{
	kill(r->actor.pid, SIGKILL);
	pin_actor_gone(r->au, &r->actor);
	return false;
}

static bool last_exec(struct run *r)
{
	order(r, PIN_ACTOR_EXEC);
	return false;
}

static bool last_child(struct run *r)
{
	pin_actor_stop(r->au, &r->actor);
	return false;
}

static const struct ending endings[] = {
	/* The call has released all itself; closing must add nothing. */
	{ "return", .momentary = true, .last = last_close },
	{ "release", .needs_unpin = true, .prepare = unpin, .last = last_close },
	/* Whoever lets go of them, the charge was the process' that had them pinned. */
	{ "release_by_child", .needs_unpin = true, .by_anyone = true, .only = "anon",
	  .prepare = unpin_by_child, .last = last_close },
	{ "close", .last = last_close },
	{ "close_by_child", .only = "anon", .last = last_close_by_child },
	{ "munmap", .unmaps = true, .prepare = unmap, .last = last_close },
	{ "exit", .unmaps = true, .last = last_exit },
	{ "sigkill", .unmaps = true, .last = last_kill },
	{ "exec", .unmaps = true, .last = last_exec },
	{ "fork", .unmaps = true, .prepare = leave_child, .last = last_child },
};

static bool pin_and_use(struct run *r)
{
	const struct cell *cell = r->cell;

	if (!pin_actor_open(r->au, &r->actor, &r->reply))
		return false;
	pin_audit_base_vmpin(r->au, r->actor.pid);
	if (!pin_audit_step(r->au, "open", &nothing, 0, r->actor.pid) ||
	    !order(r, PIN_ACTOR_PREDICT))
		return false;
	r->pin = r->reply.pin;
	r->unpin = r->reply.unpin;
	r->held = r->pin.acquired - r->pin.released;
	r->pages = r->reply.pages;
	r->view = pin_audit_view(r->au, r->actor.pid, r->reply.addr, r->pages);
	if (!cell->kind->any_node)
		pin_audit_expect_node(r->au, cell->node);
	if (!step_pin(r) || !pin_audit_held(r->au, "pin", r->view, &r->pin))
		return false;
	if (r->pin.result >= 0 && cell->consumer->use &&
	    !step(r, PIN_ACTOR_USE, "use", &nothing))
		return false;
	return !cell->ending->prepare || cell->ending->prepare(r);
}

static void stop_cell(void *state)
{
	struct run *r = state;

	pin_actor_stop(r->au, &r->actor);
	pin_view_close(r->view);
	free(r);
}

/* Pages that the device, or whoever it is, has written to; if it does not say, all or none. */
static size_t pages_written(const struct run *r)
{
	const long page = pin_audit_kernel(r->au)->page_size;
	const struct pin_consumer *c = r->cell->consumer;

	if (!c->dirties || r->pin.result < 0 || !r->pin.acquired)
		return 0;
	if (r->pin.result)
		return r->pin.result / page;
	return c->held || r->pin.acquired >= r->pages ? r->pages : 0;
}

/* Or what was written is lost if it was cleaned meanwhile: case 5. */
static void expect_dirty(const struct run *r)
{
	const unsigned int clean = r->view ? pin_view_clean(r->view, pages_written(r)) : 0;
	char name[48];

	snprintf(name, sizeof(name), "dirty_%s", r->cell->consumer->name);
	if (clean && !pin_audit_excuse(r->au, name, r->cell->kind->name))
		pin_audit_differs(r->au, "page view: %u pages were written to and are not dirty",
				  clean);
}

/* And what was only read is not. */
static void expect_clean(const struct run *r)
{
	const unsigned int dirtied = r->view && r->cell->consumer->only_read &&
				     !strcmp(r->cell->kind->name, "anon") ?
				     pin_view_dirtied(r->view) : 0;

	if (dirtied)
		pin_audit_differs(r->au, "page view: %u pages were only read and are dirty",
				  dirtied);
}

static void after_cell(struct pin_audit *au, void *state)
{
	struct run *r = state;

	if (r->cell->ending->unmaps) {
		pin_audit_gone(au, r->cell->ending->name, r->view);
	} else if (pin_audit_back(au, r->cell->ending->name, r->view)) {
		expect_dirty(r);
		expect_clean(r);
	}
}

static const char *unfit_cell(const void *arg)
{
	return pin_probe_failed(((const struct cell *)arg)->consumer);
}

static enum pin_verdict begin_cell(struct pin_audit *au, const void *arg, void **state)
{
	const struct cell *cell = arg;
	struct run *r;
	int err;

	if (pin_audit_avoid(au, cell->consumer->name, "*"))
		return PIN_XFAIL;
	r = calloc(1, sizeof(*r));
	if (!r)
		return pin_audit_fail(au, "out of memory");
	r->au = au;
	r->cell = cell;
	r->actor.consumer = cell->consumer;
	r->actor.kind = cell->kind;
	r->actor.kernel = pin_audit_kernel(au);
	r->actor.pages = PAGES;
	r->actor.node = cell->node;
	err = pin_actor_start(&r->actor);
	if (err) {
		free(r);
		return pin_audit_fail(au, "cannot start a process: %s", strerror(-err));
	}
	if (pin_and_use(r))
		*state = r;
	else
		stop_cell(r);
	return PIN_PASS;
}

/* All that is still held goes, with the process or without. */
static const char *finish_cell(struct pin_audit *au, void *state,
			       struct pin_predict *rest, pid_t *pid)
{
	struct run *r = state;

	r->au = au;
	*pid = r->cell->ending->last(r) ? r->actor.pid : 0;
	rest->released = r->held;
	rest->vmpin = -r->pin.vmpin;
	return r->cell->ending->name;
}

static const struct pin_stages cell_stages = {
	.unfit = unfit_cell, .begin = begin_cell, .finish = finish_cell, .after = after_cell,
	.stop = stop_cell,
};

static bool ending_fits(const struct ending *e, const struct pin_consumer *c,
			const struct pin_memkind *kind)
{
	if ((e->only && strcmp(e->only, kind->name)) || (e->by_anyone && !c->by_anyone))
		return false;
	return e->momentary == !c->held && (!e->needs_unpin || c->unpin);
}

static void add_tests(struct pin_suite *s)
{
	const struct pin_counters *counters = pin_suite_counters(s);
	unsigned int nr = 0;

	for (unsigned int i = 0; i < pin_nr_consumers; i++) {
		for (unsigned int j = 0; j < pin_nr_memkinds; j++) {
			const struct cell *first = NULL;

			for (unsigned int k = 0; k < sizeof(endings) / sizeof(endings[0]); k++) {
				struct cell *cell;

				if (!ending_fits(&endings[k], pin_consumers[i], pin_memkinds[j]))
					continue;
				cell = calloc(1, sizeof(*cell));
				if (!cell)
					abort();
				cell->consumer = pin_consumers[i];
				cell->kind = pin_memkinds[j];
				cell->ending = &endings[k];
				/* All endings on one kind of memory wait together. */
				if (!first)
					first = cell;
				/* Every node gets its share of the cells. */
				cell->node = counters->nr_nodes > 1 ?
					counters->node_id[nr++ % counters->nr_nodes] : -1;
				if (pin_suite_add_staged(s, &cell_stages, cell,
							 first, "%s.%s.%s",
							 cell->consumer->name, cell->kind->name,
							 cell->ending->name))
					pin_probe_want(cell->consumer);
			}
		}
	}
}

static void setup(struct pin_suite *s)
{
	pin_probe_all(s);
	pin_bench_setup(s, HUGEPAGES);
}

int main(int argc, char **argv)
{
	static const struct pin_program program = {
		.name = "matrix_test",
		.doc = "Every consumer of pins on every kind of memory with every way of letting go, each compared to the page with what was predicted. Tests are called CONSUMER.MEMORY.ENDING; PATTERNs select some of them, as in 'uring_*.thp.*'.",
		.add_tests = add_tests,
		.setup = setup,
	};

	return pin_suite_main(&program, argc, argv);
}
