// SPDX-License-Identifier: GPL-2.0
/*
 * Every allocation of memory that a call makes fails once: the first, the
 * second, and so on, until a call in which none was left to fail. That reaches
 * error paths that no argument reaches. What the call then returns is its own
 * business; all that was pinned must be given back.
 *
 * Some allocations are tried once more, with more patience, when they fail: an
 * xarray's. So there is a second sweep, in which the next one fails as well.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "actor.h"
#include "attempt.h"
#include "bench.h"
#include "helper.h"
#include "inject.h"
#include "page_view.h"
#include "probe.h"
#include "scratch.h"
#include "suite.h"

#define MS		1000000ull
#define PAGES		40	/* more than fit the arrays that callers keep on the stack */
#define HUGEPAGES	8	/* some may be lost, see predict_balance() */
#define EVERY		48	/* up to there every allocation, then ever fewer */
#define MOST		100000	/* no call has so many */
#define LATE_NS		(400 * MS)
#define SWEEP_NS	(5000 * MS)	/* on a slow kernel a sweep is done in parts */
#define LOSS_NS		(1000 * MS)
#define NR_ERRNOS	134
/* A call that lacks what failed before it may wait for ever: it is killed. */
#define WAITS_S		1
#define MOST_WAITS	4

static char unable[PIN_WHY_LEN];	/* to inject faults: why */
static bool every_one;			/* no allocation is left out */

struct cell {
	const struct pin_consumer *consumer;
	const struct pin_memkind *kind;
	unsigned int more;	/* allocations fail behind the one */
};

/* What parent and actor share: the order and what came of it. */
struct sweep {
	enum pin_stage stage;
	unsigned int more;		/* allocations fail in a row behind each */
	unsigned int first, last;	/* allocations to fail */
	bool unfinished;		/* time was over: go on, from first */
	unsigned int now;		/* the one that fails in the attempt at work */
	unsigned int tried, waited;	/* waited: until they were killed */
	unsigned int failed, succeeded;
	unsigned int by_errno[NR_ERRNOS];
	unsigned int may_lose;		/* pages, a call that fails, by a known issue */
	bool once;			/* a single call alone may */
	bool unnoticed;			/* and says that it succeeded */
	bool fails_anyway;		/* as it is predicted to: that says nothing then */
	unsigned int lost;		/* so many did */
	long result;			/* of the last attempt */
	char killed[PIN_WHY_LEN];	/* how the process ended */
	char wrong[512];		/* what no failed allocation excuses */
};

static struct sweep *shared;

/* --- in the actor --- */

struct injected {
	struct pin_inject files;
	unsigned int n;
	bool hit;
	int err;
};

static void begin_injection(void *arg)
{
	struct injected *in = arg;

	in->err = pin_inject_nth(&in->files, in->n, shared->more);
}

static void end_injection(void *arg)
{
	struct injected *in = arg;

	in->hit = pin_inject_end(&in->files);
}

static void __attribute__((format(printf, 2, 3))) wrong(unsigned int n, const char *fmt, ...)
{
	char text[200];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (!*shared->wrong)
		snprintf(shared->wrong, sizeof(shared->wrong), "allocation %u of %s: %s", n,
			 pin_stage_names[shared->stage], text);
}

static void judge_attempt(const struct pin_attempt *a, unsigned int n, bool hit)
{
	shared->tried++;
	shared->result = a->pinned;
	if (hit && !pin_attempt_succeeded(a)) {
		shared->failed++;
		if (a->pinned < 0 && -a->pinned < NR_ERRNOS)
			shared->by_errno[-a->pinned]++;
		return;
	}
	if (hit)
		shared->succeeded++;
	else if (!pin_attempt_succeeded(a))
		wrong(n, "nothing failed, but pin returned %ld, predicted %ld", a->pinned,
		      a->pin.result);
	if (a->used)
		wrong(n, "pinned, but use returned %ld", a->used);
	if (!hit && a->unpinned < 0)
		wrong(n, "nothing failed, but unpin returned %ld", a->unpinned);
}

static struct pin_view *view;
static const struct pin_counters *counters;	/* the auditor's */

static int64_t outstanding_now(void)
{
	struct pin_snapshot now = { .ns = 0 };

	pin_counters_read_total(counters, &now);
	return pin_outstanding(&now.total);
}

/* More than @then, once what is released a little late has had its time. */
static int64_t lost_since(int64_t then)
{
	const uint64_t deadline = pin_now_ns() + LOSS_NS;
	int64_t lost;

	while ((lost = outstanding_now() - then) && pin_now_ns() < deadline)
		pin_sleep_ns(MS);
	return lost;
}

/*
 * Where a known issue loses pins: how many depends on which allocation it was,
 * and their order on what the allocator has in stock. So it is this call's loss
 * that must be one that the issue explains.
 */
static void judge_loss(const struct pin_attempt *a, unsigned int n, int64_t lost)
{
	if (!lost)
		return;
	if (lost < 0 || lost > shared->may_lose ||
	    (!shared->fails_anyway && pin_attempt_succeeded(a) != shared->unnoticed) ||
	    (shared->once && shared->lost))
		wrong(n, "%lld pages stay pinned, the call returns %ld", (long long)lost,
		      a->pinned);
	else
		shared->lost += lost;
}

/* Memory for the next attempt. What is spent is left to the end of the process. */
static int get_memory(const struct pin_actor *a, struct pin_op *op, char *why)
{
	int err;

	if (op->mem->map && !pin_attempt_spends(a->kind))
		return 0;
	err = pin_mem_alloc(op->mem, a->kind, a->kernel, a->pages);
	if (err) {
		memcpy(why, op->mem->why, PIN_WHY_LEN);
		return err;
	}
	if (!pin_attempt_spends(a->kind)) {
		const struct pin_view_pins none = { .pins = 0 };
		char ignored[PIN_WHY_LEN];
		int helper = pin_helper_open(ignored);

		if (helper >= 0)
			view = pin_view_open(helper, 0, op->mem->addr, op->mem->pages);
		if (view)
			pin_view_held(view, &none, NULL, 0);
	}
	return 0;
}

static unsigned int step_after(unsigned int n)
{
	return n < EVERY || every_one ? n + 1 : n + n / 8;
}

static long run_sweep(const struct pin_actor *a, struct pin_op *op, char *why)
{
	static struct injected in;
	const struct pin_strain strain = {
		.stage = shared->stage, .begin = begin_injection, .end = end_injection,
		.arg = &in,
	};
	const uint64_t end = pin_now_ns() + SWEEP_NS;
	struct pin_attempt attempt;
	int64_t before = 0;
	int err;

	shared->unfinished = false;
	in.hit = true;
	if (!in.files.nth) {
		err = pin_inject_open(&in.files, why);
		if (err)
			return err;
	}
	for (in.n = shared->first; in.hit && in.n <= shared->last; in.n = step_after(in.n)) {
		if (pin_now_ns() > end) {
			shared->unfinished = true;
			shared->first = in.n;
			break;
		}
		err = get_memory(a, op, why);
		if (err)
			return err;
		in.hit = false;
		shared->now = in.n;
		if (shared->may_lose)
			before = outstanding_now();
		alarm(WAITS_S);
		err = pin_attempt(op, &strain, &attempt);
		alarm(0);
		if (err) {
			memcpy(why, op->why, PIN_WHY_LEN);
			return err;
		}
		if (!attempt.reached)
			break;
		judge_attempt(&attempt, in.n, in.hit);
		if (in.err)
			return pin_why(why, in.err, "allocation %u cannot be made to fail", in.n);
		if (shared->may_lose)
			judge_loss(&attempt, in.n, lost_since(before));
		/* It is known, and waited for, and the sweep of one by one has them all. */
		if (shared->more && shared->lost)
			break;
	}
	return 0;
}

/* The pages are as they were when the first attempt began. */
static long look_at_pages(char *why)
{
	return view && pin_view_back(view, why, PIN_WHY_LEN) ? -EUCLEAN : 0;
}

enum { SWEEP, LOOK };

static long task(const struct pin_actor *a, struct pin_op *op, long what, char *why)
{
	return what == SWEEP ? run_sweep(a, op, why) : look_at_pages(why);
}

/* --- in the auditor --- */

static bool start_actor(struct pin_audit *au, const struct cell *cell, struct pin_actor *a)
{
	int err;

	*a = (struct pin_actor){
		.consumer = cell->consumer, .kind = cell->kind, .task = task,
		.kernel = pin_audit_kernel(au), .pages = PAGES, .node = -1,
	};
	err = pin_actor_start(a);
	if (err)
		pin_audit_fail(au, "cannot start a process: %s", strerror(-err));
	return !err;
}

static void order_sweep(const struct cell *cell, enum pin_stage stage, unsigned int first,
			unsigned int last, unsigned int may_lose)
{
	memset(shared, 0, sizeof(*shared));
	shared->may_lose = may_lose;
	shared->stage = stage;
	shared->more = cell->more;
	shared->first = first;
	shared->last = last;
}

/* Pages that stay, once there was time for late releases. */
static int64_t stays(struct pin_audit *au, const struct pin_snapshot *before)
{
	const uint64_t deadline = pin_now_ns() + LATE_NS;
	struct pin_snapshot now;
	int64_t left;

	do {
		pin_counters_read(pin_audit_counters(au), &now);
		left = pin_outstanding(&now.total) - pin_outstanding(&before->total);
		if (left)
			pin_sleep_ns(2 * MS);
	} while (left && pin_now_ns() < deadline);
	return left;
}

/* Functions on the way to the allocation, from the kernel's report of it. */
static void read_stack(int kmsg, char *text, size_t len)
{
	static const char *const dull[] = {
		"dump_stack", "fail_dump", "should_fail", "kmem_cache_alloc", "__kmalloc",
		"kmalloc", "__kvmalloc", "kvmalloc", "alloc_pages", "__alloc_pages",
		"folio_alloc", "__folio_alloc", "vma_alloc", "__vmalloc", "__slab", "___slab",
		"prep_", "_copy_", "__get_free", "get_free", "new_slab", "allocate_slab", "?",
	};
	char record[1024], *line, *end;
	unsigned int nr = 0;
	bool inside = false;
	ssize_t got;

	*text = '\0';
	while ((got = read(kmsg, record, sizeof(record) - 1)) > 0 || errno == EPIPE) {
		bool skip = false;

		if (got <= 0)
			continue;
		record[got] = '\0';
		line = strchr(record, ';');
		if (!line)
			continue;
		line += 1 + strspn(line + 1, " ");
		inside |= !strncmp(line, "Call Trace", 10);
		end = strstr(line, "+0x");
		if (!inside || !end || nr >= 6)
			continue;
		*end = '\0';
		for (size_t i = 0; i < sizeof(dull) / sizeof(dull[0]); i++)
			skip |= !strncmp(line, dull[i], strlen(dull[i]));
		if (skip)
			continue;
		end = text + strlen(text);
		snprintf(end, len - (end - text), "%s%s", nr++ ? " < " : "", line);
	}
}

static int verbose(const char *value)
{
	int fd;

	pin_inject_verbose(value);
	fd = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	lseek(fd, 0, SEEK_END);
	return fd;
}

/* One by one, each in a process of its own: which was it? */
static void find_culprits(struct pin_audit *au, const struct cell *cell,
			  enum pin_stage stage, unsigned int last)
{
	struct pin_actor_reply reply;
	struct pin_snapshot before;
	struct pin_actor a;
	unsigned int named = 0;
	char stack[400];
	int64_t left;

	for (unsigned int n = 1; n <= last && named < 3; n = step_after(n)) {
		int kmsg = verbose("2");

		if (!start_actor(au, cell, &a))
			break;
		pin_counters_read(pin_audit_counters(au), &before);
		order_sweep(cell, stage, n, n, 0);
		if (!pin_actor_task(&a, SWEEP, &reply))
			pin_actor_do(&a, PIN_ACTOR_EXIT, &reply);
		pin_actor_gone(au, &a);
		pin_actor_stop(au, &a);
		left = stays(au, &before);
		read_stack(kmsg, stack, sizeof(stack));
		close(verbose("0"));
		close(kmsg);
		if (!left)
			continue;
		pin_audit_note(au, "%s: allocation %u fails, the call returns %ld%s%s: %+lld pages stay pinned%s%s",
			       pin_stage_names[stage], n, shared->result,
			       shared->result < 0 ? " " : "",
			       shared->result < 0 ? strerror(-shared->result) : "",
			       (long long)left, *stack ? "; it was made by " : "", stack);
		named++;
	}
	if (!named)
		pin_audit_note(au, "%s: no single allocation does it", pin_stage_names[stage]);
	pin_audit_restart(au);
}

static void describe(struct pin_audit *au)
{
	char text[300] = "";
	size_t used;

	for (unsigned int e = 1; e < NR_ERRNOS; e++) {
		used = strlen(text);
		if (shared->by_errno[e])
			snprintf(text + used, sizeof(text) - used, ", %u times %s",
				 shared->by_errno[e], strerror(e));
	}
	pin_audit_note(au, "%s: %u allocations failed: %u calls failed%s, %u succeeded all the same, %u waited for ever",
		       pin_stage_names[shared->stage],
		       shared->failed + shared->succeeded + shared->waited, shared->failed, text,
		       shared->succeeded, shared->waited);
}

/* Both up by as much as there was to try: how often is the kernel's. */
static struct pin_predict predict_balance(const struct cell *cell, enum pin_stage stage,
					  const struct pin_kernel *k)
{
	struct pin_predict p = { .migrated = UINT64_MAX / 4 };
	char name[64];

	snprintf(name, sizeof(name), "fail_nth_%s", cell->consumer->name);
	if (stage == PIN_STAGE_PIN)
		p.issue = pin_known_issue(k, name, cell->kind->name);
	return p;
}

/* What a call takes at once: a known issue loses these pages, or some of them. */
static unsigned int most_to_lose(const struct cell *cell, const struct pin_kernel *k)
{
	const char *name = cell->consumer->name;

	if (strncmp(name, "udmabuf", 7))
		return cell->kind->huge ? k->pmd_size / k->page_size : PAGES;
	/* A pin for each folio; udmabuf_list takes two parts. */
	if (cell->kind->huge)
		return strstr(cell->kind->name, "border") ? 2 : 1;
	return strcmp(name, "udmabuf") ? PAGES / 2 : PAGES;
}

/* Another process, and other memory. */
static bool renew_actor(struct pin_audit *au, const struct cell *cell, struct pin_actor *a)
{
	pin_actor_stop(au, a);
	if (!start_actor(au, cell, a))
		return false;
	pin_audit_base_vmpin(au, a->pid);
	return true;
}

/* Was it the alarm that ended it? The next allocation is another process's. */
static bool go_on_after_wait(struct pin_audit *au, const struct cell *cell,
			     struct pin_actor *a)
{
	if (!strcasestr(shared->killed, "alarm") || ++shared->waited > MOST_WAITS)
		return false;
	shared->first = step_after(shared->now);
	return renew_actor(au, cell, a);
}

/* All attempts at one stage; false if that is the end of the test. */
static bool run_stage(struct pin_audit *au, const struct cell *cell, struct pin_actor *a,
		      enum pin_stage stage)
{
	const char *name = pin_stage_names[stage];
	/* A close that fails may leave its pins to the end of the process. */
	const bool at_exit = stage == PIN_STAGE_CLOSE;
	struct pin_predict balance = predict_balance(cell, stage, pin_audit_kernel(au));
	struct pin_actor_reply reply;
	unsigned int last;
	bool right;

	order_sweep(cell, stage, 1, MOST,
		    balance.issue ? most_to_lose(cell, pin_audit_kernel(au)) : 0);
	/* That of soft-iWARP is at one allocation, of several that may fail. */
	shared->once = !strcmp(cell->consumer->name, "rdma_siw_mr");
	shared->unnoticed = !strcmp(cell->consumer->name, "uring_pbuf_ring");
	shared->fails_anyway = !strcmp(cell->kind->name, "hole");
	do {
		if (!pin_actor_task(a, SWEEP, &reply))
			continue;
		memcpy(shared->killed, reply.why, sizeof(shared->killed));
		if (!go_on_after_wait(au, cell, a)) {
			pin_audit_fail(au, "%s, allocation %u: %s", name, shared->now, reply.why);
			return false;
		}
		shared->unfinished = true;
	} while (shared->unfinished);
	if (reply.result && !shared->tried) {
		pin_audit_skip(au, "%s", *reply.why ? reply.why : strerror(-reply.result));
		return false;
	}
	if (reply.result)
		pin_audit_fail(au, "%s, after %u attempts: %s: %s", name, shared->tried, reply.why,
			       strerror(-reply.result));
	if (*shared->wrong)
		pin_audit_fail(au, "%s", shared->wrong);
	last = shared->now;
	if (at_exit) {
		pin_actor_do(a, PIN_ACTOR_EXIT, &reply);
		pin_actor_gone(au, a);
	}
	balance.issue_released = -(int64_t)shared->lost;
	if (!strncmp(cell->consumer->name, "rdma_", 5))
		balance.vmpin = shared->lost;
	right = pin_audit_step(au, name, &balance, 0, at_exit ? 0 : a->pid);
	describe(au);
	if (!right) {
		find_culprits(au, cell, stage, last);
	} else if (balance.issue) {
		/* What that has left pinned is for ever. */
		right = renew_actor(au, cell, a);
	} else if (!at_exit && !pin_actor_task(a, LOOK, &reply) && reply.result) {
		pin_audit_fail(au, "%s: page view: not as it was:\n%s", name, reply.why);
		right = false;
	}
	return right && !reply.result;
}

static enum pin_verdict run_cell(struct pin_audit *au, const void *arg)
{
	const struct cell *cell = arg;
	const char *kind = cell->kind->name;
	struct pin_actor a;
	bool more = true;
	char name[64];

	if (*unable)
		return pin_audit_skip(au, "%s", unable);
	if (!pin_probe_passed(au, cell->consumer))
		return PIN_SKIP;
	snprintf(name, sizeof(name), "fail_nth_%s", cell->consumer->name);
	if (pin_audit_avoid(au, name, kind))
		return PIN_XFAIL;
	snprintf(name, sizeof(name), "warns_%s%s", cell->consumer->name,
		 cell->more ? "_twice" : "");
	pin_audit_excuse_warning(au, name, kind,
				 strncmp(name, "warns_vfio", 10) ?
				 "@(iopt_release_pages|mock_domain_free)+" :
				 "__iommu_release_dma_ownership");
	counters = pin_audit_counters(au);
	if (!start_actor(au, cell, &a))
		return PIN_FAIL;
	pin_audit_base_vmpin(au, a.pid);
	for (enum pin_stage stage = 0; stage < PIN_NR_STAGES && more; stage++)
		more = run_stage(au, cell, &a, stage);
	pin_actor_stop(au, &a);
	return PIN_PASS;
}

static void add_cell(struct pin_suite *s, const struct pin_consumer *c, const char *kind,
		     unsigned int more, const char *suffix)
{
	struct cell *cell = calloc(1, sizeof(*cell));

	if (!cell)
		abort();
	*cell = (struct cell){ c, pin_memkind_find(kind), more };
	if (pin_suite_add(s, run_cell, cell, "%s.%s%s", c->name, kind, suffix))
		pin_probe_want(c);
}

static void add_tests(struct pin_suite *s)
{
	static const char *const kinds[] = { "anon", "thp", "hugetlb", "hole" };
	static const char *const files[] = {
		"memfd", "memfd_hugetlb", "memfd_hugetlb_border",
	};

	every_one = getenv("PIN_EVERY_ALLOCATION");
	for (unsigned int i = 0; i < pin_nr_consumers; i++) {
		const struct pin_consumer *c = pin_consumers[i];
		const char *const *names = c->by_file ? files : kinds;
		size_t nr = c->by_file ? sizeof(files) / sizeof(files[0]) :
					 sizeof(kinds) / sizeof(kinds[0]);

		for (size_t j = 0; j < nr; j++) {
			add_cell(s, c, names[j], 0, "");
			add_cell(s, c, names[j], 1, ".twice");
		}
	}
}

static void setup(struct pin_suite *s)
{
	char why[PIN_WHY_LEN];

	shared = pin_actor_shared(sizeof(*shared));
	if (pin_inject_setup(why)) {
		pin_why(unable, 0, "%s", why);
		return;
	}
	pin_probe_all(s);
	pin_bench_setup(s, HUGEPAGES);
}

int main(int argc, char **argv)
{
	static const struct pin_program program = {
		.name = "fail_nth_test",
		.doc = "Every allocation of memory inside the calls that pin, unpin and close fails once, the first, the second, ...: whatever the call returns, all that was pinned is given back. Tests are called CONSUMER.MEMORY; in CONSUMER.MEMORY.twice the next allocation fails as well. Where a call has more than 48 allocations some of the later ones are left out, unless PIN_EVERY_ALLOCATION is set in the environment.",
		.add_tests = add_tests,
		.setup = setup,
	};

	return pin_suite_main(&program, argc, argv);
}
