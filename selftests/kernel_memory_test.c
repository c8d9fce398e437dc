// SPDX-License-Identifier: GPL-2.0
/*
 * What a call takes of the kernel's own memory for the sake of pins, lists of
 * pages above all, comes back as they do: every consumer pins and lets go again
 * and again, or is refused again and again, and the kernel's memory does not
 * grow with it. And huge pages that a pin takes out of the pool were reserved.
 */
#include <errno.h>
#include <glob.h>
#include <limits.h>
#include <linux/membarrier.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "actor.h"
#include "attempt.h"
#include "bench.h"
#include "probe.h"
#include "proc.h"
#include "scratch.h"

#define MS		1000000ull
#define HUGEPAGES	4
#define PAGES		40	/* more than fit the arrays that callers keep on the stack */
#define LATE_NS		(1000 * MS)
#define LATEST_NS	(30000 * MS)
#define LESS_BYTES	(8l << 10)

/* One that lasts so long, or until there are so many calls. */
struct round {
	long ms, calls;
	long call_bytes, least_bytes;	/* the more of both is not too much */
};

/*
 * The first shows whether there is anything to be looked at; it is a leak if as much
 * is lost in each of the longer ones behind it.
 */
#define ROUNDS		8
#define MOST_SPOILED	16
static const struct round warm_up = { 80, 100, 0, 0 };
static const struct round first = { 2000, 300, 0, 16l << 10 };
static const struct round longer = { 4000, 1200, 64, 48l << 10 };

struct cell {
	const struct pin_consumer *consumer;
	const char *kind;
};

/* --- in the actor --- */

/* Again and again, as often as @arg says, a struct round: how often. */
static long repeat(const struct pin_actor *a, struct pin_op *op, long arg, char *why)
{
	const struct pin_strain none = { .stage = PIN_NR_STAGES };
	const struct round *round = (const struct round *)arg;
	const uint64_t end = pin_now_ns() + round->ms * MS;
	struct pin_attempt attempt;
	long calls = 0;
	int err;

	if (!op->mem->map) {
		err = pin_mem_alloc(op->mem, a->kind, a->kernel, a->pages);
		if (err) {
			memcpy(why, op->mem->why, PIN_WHY_LEN);
			return err;
		}
	}
	do {
		err = pin_attempt(op, &none, &attempt);
		if (err) {
			memcpy(why, op->why, PIN_WHY_LEN);
			return err;
		}
		calls++;
		if (!pin_attempt_succeeded(&attempt)) {
			pin_why(why, 0, "call %ld returned %ld, predicted %ld", calls,
				attempt.pinned, attempt.pin.result);
			return -EPROTO;
		}
	} while (calls < round->calls && pin_now_ns() < end);
	return calls;
}

/* --- in the auditor --- */

/* Parts of the kernel's own memory, in /proc/meminfo. */
static const char *const fields[] = {
	"SUnreclaim", "VmallocUsed", "PageTables", "KernelStack", "Percpu",
};

#define NR_FIELDS	(sizeof(fields) / sizeof(fields[0]))

struct kernel_memory {
	long bytes[NR_FIELDS];
};

/* What was freed and is kept in stock does not count. */
static void empty_slabs(void)
{
	glob_t caches;

	if (!glob("/sys/kernel/slab/*/shrink", 0, NULL, &caches))
		for (size_t i = 0; i < caches.gl_pathc; i++)
			pin_write_file(caches.gl_pathv[i], "1");
	globfree(&caches);
}

/* Exact: the counters are flushed. */
static void read_memory(struct pin_audit *au, struct kernel_memory *m)
{
	struct pin_snapshot flush;

	empty_slabs();
	pin_counters_read_total(pin_audit_counters(au), &flush);
	for (size_t i = 0; i < NR_FIELDS; i++)
		m->bytes[i] = pin_meminfo(fields[i]) * 1024;
}

/* Bytes more than @then, and by @most which of it has grown most. */
static long growth(struct pin_audit *au, const struct kernel_memory *then, size_t *most)
{
	struct kernel_memory now;
	long sum = 0, max = 0;

	read_memory(au, &now);
	for (size_t i = 0; i < NR_FIELDS; i++) {
		const long more = now.bytes[i] - then->bytes[i];

		sum += more;
		if (more > max) {
			max = more;
			*most = i;
		}
	}
	return sum;
}

/* The same, once what is freed late has had its time to come to @limit: while it gets less. */
static long lasting_growth(struct pin_audit *au, const struct kernel_memory *then, long limit,
			   size_t *most)
{
	const uint64_t end = pin_now_ns() + LATEST_NS;
	uint64_t deadline = pin_now_ns() + LATE_NS;
	long bytes, least = LONG_MAX;

	while ((bytes = growth(au, then, most)) > limit && pin_now_ns() < deadline) {
		if (bytes < least - LESS_BYTES) {
			least = bytes;
			deadline = pin_now_ns() + LATE_NS;
		}
		if (deadline > end)
			deadline = end;
		/* A grace period of RCU. */
		syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0);
		pin_sleep_ns(10 * MS);
	}
	return bytes;
}

struct run {
	struct pin_audit *au;
	struct pin_actor actor;
	struct pin_actor_reply reply;
};

/* So many calls, all of which gave back what they took; or 0. */
static long run_round(struct run *r, const struct round *round)
{
	const struct pin_predict balance = { .migrated = UINT64_MAX / 4 };
	struct pin_actor_reply *reply = &r->reply;

	if (pin_actor_task(&r->actor, (long)round, reply) || reply->result == -EPROTO) {
		pin_audit_fail(r->au, "%s", reply->why);
		return 0;
	}
	if (reply->result < 0) {
		pin_audit_skip(r->au, "%s", *reply->why ? reply->why : strerror(-reply->result));
		return 0;
	}
	return pin_audit_step(r->au, "calls", &balance, 0, r->actor.pid) ? reply->result : 0;
}

/* What calls have cost. */
struct cost {
	long calls, bytes;
	size_t most;		/* the field that has grown most */
	long idle;		/* bytes that came in as much time without a call */
};

static long nr_tasks(void)
{
	FILE *f = fopen("/proc/loadavg", "re");
	long nr = 0;

	if (f && fscanf(f, "%*s %*s %*s %*d/%ld", &nr) != 1)
		nr = 0;
	if (f)
		fclose(f);
	return nr;
}

/* False if it was not too much, or could not be seen. */
static bool too_much(struct run *r, const struct round *round, struct cost *cost)
{
	struct kernel_memory base;
	long calls, bytes, limit;

	read_memory(r->au, &base);
	calls = run_round(r, round);
	if (!calls)
		return false;
	limit = calls * round->call_bytes;
	if (limit < round->least_bytes)
		limit = round->least_bytes;
	bytes = lasting_growth(r->au, &base, limit, &cost->most);
	cost->calls = calls;
	cost->bytes = bytes;
	return bytes > limit;
}

/* Bytes that come and do not go in the time of a long round in which nothing is called. */
static long idle_growth(struct pin_audit *au)
{
	struct kernel_memory base;
	size_t ignored;

	read_memory(au, &base);
	pin_sleep_ns(longer.ms * MS / 2);
	return 2 * lasting_growth(au, &base, 0, &ignored);
}

/* Is it too much in so many rounds? False, too, if that cannot be told. */
static bool keeps_growing(struct run *r, int rounds, struct cost *sum)
{
	int spoiled = 0;

	memset(sum, 0, sizeof(*sum));
	while (rounds) {
		struct cost one = { .calls = 0 };
		const long tasks = nr_tasks();

		if (!too_much(r, &longer, &one))
			return false;
		one.idle = idle_growth(r->au);
		/* By kernel threads that do what was put off, and their stacks; or by others. */
		if (nr_tasks() > tasks || one.idle >= one.bytes / 2) {
			if (++spoiled < MOST_SPOILED)
				continue;
			pin_audit_skip(r->au, "inconclusive: the kernel's memory grows for other reasons, too: by %ld KiB in %ld s while nothing of ours runs",
				       one.idle / 1024, longer.ms / 1000);
			return false;
		}
		sum->calls += one.calls;
		sum->bytes += one.bytes;
		sum->most = one.most;
		rounds--;
	}
	return true;
}

static void judge(struct run *r, const struct cell *cell)
{
	char name[80], what[200];
	struct cost cost;
	bool known;

	snprintf(name, sizeof(name), "kernel_memory_%s", cell->consumer->name);
	known = pin_known_issue(pin_audit_kernel(r->au), name, cell->kind);
	/* What is known needs no proof. */
	if (!run_round(r, &warm_up) || !too_much(r, &first, &cost) ||
	    !keeps_growing(r, known ? 1 : ROUNDS, &cost))
		return;
	snprintf(what, sizeof(what), "the kernel's memory grows by %ld bytes a call, whenever it is tried (%ld calls, %ld KiB, most of it %s)",
		 cost.bytes / cost.calls, cost.calls, cost.bytes / 1024, fields[cost.most]);
	if (pin_audit_excuse(r->au, name, cell->kind))
		pin_audit_note(r->au, "%s", what);
	else
		pin_audit_fail(r->au, "%s", what);
}

static bool start_actor(struct run *r, const struct cell *cell)
{
	int err;

	r->actor = (struct pin_actor){
		.consumer = cell->consumer, .kind = pin_memkind_find(cell->kind),
		.kernel = pin_audit_kernel(r->au), .pages = PAGES, .node = -1, .task = repeat,
	};
	err = pin_actor_start(&r->actor);
	if (err)
		pin_audit_fail(r->au, "cannot start a process: %s", strerror(-err));
	else
		pin_audit_base_vmpin(r->au, r->actor.pid);
	return !err;
}

static enum pin_verdict run_cell(struct pin_audit *au, const void *arg)
{
	const struct cell *cell = arg;
	struct run r = { .au = au };

	if (!pin_counters_exact(pin_audit_counters(au)))
		return pin_audit_skip(au, "needs root: what the kernel has is read exactly only then");
	if (!pin_probe_passed(au, cell->consumer))
		return PIN_SKIP;
	if (!start_actor(&r, cell))
		return PIN_FAIL;
	judge(&r, cell);
	pin_actor_stop(au, &r.actor);
	return PIN_PASS;
}

/* --- huge pages of a pool --- */

static bool order(struct run *r, enum pin_actor_cmd cmd)
{
	return pin_actor_order(r->au, &r->actor, cmd, &r->reply);
}

/* While pages of a memfd are pinned that nobody had reserved, and after that. */
static enum pin_verdict run_pool(struct pin_audit *au, const void *arg)
{
	const struct pin_predict balance = { .migrated = UINT64_MAX / 4 };
	const struct cell *cell = arg;
	struct run r = { .au = au };
	long before, during, total, want;
	char name[80];

	if (!pin_probe_passed(au, cell->consumer))
		return PIN_SKIP;
	snprintf(name, sizeof(name), "kernel_memory_%s", cell->consumer->name);
	if (pin_audit_avoid(au, name, cell->kind))
		return PIN_XFAIL;
	before = pin_meminfo("HugePages_Rsvd");
	if (!start_actor(&r, cell))
		return PIN_FAIL;
	if (!pin_actor_open(au, &r.actor, &r.reply) || !order(&r, PIN_ACTOR_PREDICT))
		goto out;
	want = r.reply.pin.result;
	if (!order(&r, PIN_ACTOR_PIN))
		goto out;
	during = pin_meminfo("HugePages_Rsvd");
	total = pin_meminfo("HugePages_Total");
	/* Some kernels (6.16) give nobody what is not reserved. */
	if (r.reply.result != want && r.reply.result != -ENOMEM)
		pin_audit_fail(au, "pin: returned %ld, predicted %ld", r.reply.result, want);
	if (during < 0 || during > total)
		pin_audit_fail(au, "pinned: %ld huge pages of %ld are reserved", during, total);
	if (!order(&r, PIN_ACTOR_CLOSE) || !order(&r, PIN_ACTOR_EXIT))
		goto out;
	if (!pin_actor_gone(au, &r.actor))
		goto out;
	pin_audit_step(au, "exit", &balance, 0, 0);
	if (pin_meminfo("HugePages_Rsvd") != before)
		pin_audit_fail(au, "closed: %ld huge pages are reserved, before %ld",
			       pin_meminfo("HugePages_Rsvd"), before);
out:
	pin_actor_stop(au, &r.actor);
	return PIN_PASS;
}

static void add(struct pin_suite *s, pin_test_fn fn, const struct pin_consumer *c,
		const char *kind)
{
	struct cell *cell = calloc(1, sizeof(*cell));

	if (!cell)
		abort();
	*cell = (struct cell){ c, kind };
	if (pin_suite_add(s, fn, cell, "%s.%s", c->name, kind))
		pin_probe_want(c);
}

static void add_tests(struct pin_suite *s)
{
	for (unsigned int i = 0; i < pin_nr_consumers; i++) {
		const struct pin_consumer *c = pin_consumers[i];

		/* At each call it says so much that the kernel's log runs over. */
		if (!strncmp(c->name, "st_", 3))
			continue;
		if (c->by_file) {
			add(s, run_cell, c, "memfd");
			add(s, run_pool, c, "memfd_hugetlb_unreserved");
		} else {
			add(s, run_cell, c, "anon");
			add(s, run_cell, c, "past_end");
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
		.name = "kernel_memory_test",
		.doc = "Every consumer pins and lets go, or is refused, again and again: the kernel's own memory does not grow with it. And huge pages that are pinned out of the pool were reserved before. Tests are called CONSUMER.MEMORY.",
		.add_tests = add_tests,
		.setup = setup,
	};

	return pin_suite_main(&program, argc, argv);
}
