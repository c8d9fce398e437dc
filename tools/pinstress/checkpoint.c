// SPDX-License-Identifier: GPL-2.0
/*
 * A checkpoint: all workers wait at a barrier, holding what they keep, and the
 * ledger is compared with the counters.
 *
 * Other programs only ever add to the counters. So what is missing there is
 * missing for good, however busy the machine is; what is too much may be
 * theirs, and fails a run only if nothing speaks for others.
 */
#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "chaos.h"
#include "coordinator.h"
#include "pinstress.h"
#include "proc.h"
#include "scratch.h"

#define HUNG_NS		(30 * SEC)
#define DEATH_NS	(10 * SEC)	/* after SIGKILL */
#define WARY		3	/* checkpoints after others were seen to pin */
#define SUSPICIONS	8	/* equal excess in so many intervals is the kernel's */
#define CONFIRMATIONS	8	/* looks at a release too many before it is believed */
#define OTHERS_NS	(200 * MSEC)	/* of waiting for releases that may be others' */
#define LOOK_NS		(20 * MSEC)	/* for others, where all seems right */
#define SETTLE_NS	(20 * SEC)

static void add(struct checkpoint *cp, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

static void add(struct checkpoint *cp, const char *fmt, ...)
{
	size_t used = strlen(cp->reason);
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(cp->reason + used, sizeof(cp->reason) - used, fmt, ap);
	va_end(ap);
	used = strlen(cp->reason);
	if (used < sizeof(cp->reason) - 1)
		memcpy(cp->reason + used, "\n", 2);
}

static int read_counters(struct run *r, struct pin_snapshot *s)
{
	return pin_counters_settle(&r->counters, s, SETTLE_NS);
}

/* Pages that the kernel moved, swapped or reclaimed: what may repeat a pin. */
static uint64_t mm_activity(void)
{
	static const char *const fields[] = {
		"pgmigrate_success", "pgmigrate_fail", "pgsteal_kswapd", "pgsteal_direct",
		"pgsteal_khugepaged", "pswpout", "thp_collapse_alloc", "numa_pte_updates",
		"ksm_swpin_copy", "thp_split_page",
	};
	unsigned long long value;
	uint64_t sum = 0;
	char line[128], name[64];
	FILE *f = fopen("/proc/vmstat", "re");

	if (!f)
		return 0;
	while (fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%63s %llu", name, &value) != 2)
			continue;
		for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
			if (!strcmp(name, fields[i]))
				sum += value;
		}
	}
	fclose(f);
	return sum;
}

uint64_t foreign_pins(struct run *r, uint64_t ns)
{
	struct pin_snapshot before, after;

	if (read_counters(r, &before))
		return 1;
	pin_sleep_ns(ns);
	if (read_counters(r, &after))
		return 1;
	return after.total.acquired - before.total.acquired +
	       after.total.released - before.total.released;
}

static void anchor(struct run *r, const struct pin_snapshot *now, const struct books *books)
{
	r->base = *now;
	r->base_books = *books;
	r->base_mm = mm_activity();
}

void take_baseline(struct run *r)
{
	struct pin_snapshot now;
	struct books books;
	uint64_t deadline = pin_now_ns() + 2 * SEC;

	/* What the probes have pinned may be late to go. */
	do {
		r->noisy_base = foreign_pins(r, 100 * MSEC);
	} while (r->noisy_base && pin_now_ns() < deadline && !interrupted);
	if (r->noisy_base) {
		report_event(r, "other programs pin pages: what cannot be judged will be called inconclusive");
		r->foreign_until = WARY;
	}
	read_counters(r, &now);
	ledger_sum(r->ledger, &books);
	ledger_activity(r->ledger, &r->base_done);
	anchor(r, &now, &books);
	r->start = now;
	pin_foreign_note(&r->holders);
}

static void add_file(struct checkpoint *cp, pid_t pid, const char *name)
{
	char path[64], text[1024];
	size_t got;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/%s", pid, name);
	f = fopen(path, "re");
	if (!f)
		return;
	got = fread(text, 1, sizeof(text) - 1, f);
	fclose(f);
	text[got] = '\0';
	text[strcspn(text, "\n") == got ? got : got - 1] = '\0';
	add(cp, "%s", text);
}

static void say_where_it_hangs(struct checkpoint *cp, const struct line *l)
{
	add(cp, "process %d %s in %s on %s:", l->pid,
	    l->killed ? "was killed and does not die" : "hangs",
	    l->consumer_id < 0 ? "nothing" : pin_consumers[l->consumer_id]->name,
	    l->kind_id < 0 ? "nothing" : pin_memkinds[l->kind_id]->name);
	add_file(cp, l->pid, "wchan");
	add_file(cp, l->pid, "stack");
}

/* True when every living worker waits; kills what does not come. */
static bool wait_for_workers(struct run *r, struct checkpoint *cp)
{
	struct ledger *led = r->ledger;
	uint64_t deadline = pin_now_ns() + HUNG_NS;
	bool all, right = true;

	for (unsigned int i = 0; i < led->nr_lines; i++) {
		if (led->line[i].stopped && led->line[i].pid > 0) {
			kill(led->line[i].pid, SIGCONT);
			led->line[i].stopped = false;
		}
	}
	chaos_calm();
	__atomic_store_n(&led->request, cp->n, __ATOMIC_RELEASE);
	for (;;) {
		all = true;
		reap_workers(r);
		for (unsigned int i = 0; i < led->nr_lines; i++) {
			struct line *l = &led->line[i];

			if (l->pid <= 0 ||
			    __atomic_load_n(&l->parked, __ATOMIC_ACQUIRE) == cp->n)
				continue;
			all = false;
			if (pin_now_ns() > deadline && !l->killed) {
				say_where_it_hangs(cp, l);
				right = false;
				l->killed = true;
				kill(l->pid, SIGKILL);
			}
		}
		if (all)
			return right;
		if (pin_now_ns() > deadline + DEATH_NS)
			break;
		pin_sleep_ns(MSEC / 10);
	}
	for (unsigned int i = 0; i < led->nr_lines; i++) {
		if (led->line[i].pid > 0 && led->line[i].parked != cp->n)
			say_where_it_hangs(cp, &led->line[i]);
	}
	return false;
}

static void let_workers_go(struct run *r, const struct checkpoint *cp)
{
	__atomic_store_n(&r->ledger->resume, cp->n, __ATOMIC_RELEASE);
}

static void compare(struct run *r, struct checkpoint *cp, const struct pin_snapshot *now)
{
	cp->moved.acquired = now->total.acquired - r->base.total.acquired;
	cp->moved.released = now->total.released - r->base.total.released;
	cp->off_acquired = cp->moved.acquired - cp->predicted.all.acquired;
	cp->off_released = cp->moved.released - cp->predicted.all.released;
}

static bool balanced(const struct checkpoint *cp)
{
	return cp->off_acquired == cp->off_released && cp->off_acquired >= 0 &&
	       (uint64_t)cp->off_acquired <= cp->predicted.slack;
}

static bool excused(const struct checkpoint *cp)
{
	return cp->predicted.excused && !cp->off_acquired &&
	       cp->off_released == cp->predicted.excused;
}

/*
 * May it hold pins that it has inherited? Of a worker's children only those that chaos
 * has forked: the others serve what it keeps. Of the coordinator's, orphans: not those that
 * it has started for itself.
 */
static bool is_heir(pid_t pid, bool of_worker)
{
	char path[64], name[16] = "", state = 'X';
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	f = fopen(path, "re");
	if (!f)
		return false;
	if (fscanf(f, "%*d (%15[^)]) %c", name, &state) != 2)
		state = 'X';
	fclose(f);
	if (state == 'Z' || state == 'X')
		return false;
	return of_worker ? !strcmp(name, CHAOS_HEIR) :
			   strcmp(name, CHAOS_ACTOR) && strcmp(name, PIN_JANITOR);
}

/* How many children of @parent may hold what they have inherited; @cp, or NULL, names them. */
static unsigned int heirs_of(struct run *r, struct checkpoint *cp, pid_t parent)
{
	unsigned int n = 0;
	char path[64];
	FILE *f;
	int pid;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/children", parent, parent);
	f = fopen(path, "re");
	while (f && fscanf(f, "%d", &pid) == 1) {
		if (line_of(r, pid) || !is_heir(pid, parent != getpid()))
			continue;
		n++;
		/* There is more to be said after this. */
		if (!cp || strlen(cp->reason) > sizeof(cp->reason) / 2)
			continue;
		add(cp, "process %d, which is no worker, is there, too:", pid);
		add_file(cp, pid, "comm");
		add_file(cp, pid, "wchan");
		add_file(cp, pid, "stack");
	}
	if (f)
		fclose(f);
	return n;
}

static unsigned int all_heirs(struct run *r, struct checkpoint *cp)
{
	unsigned int n = heirs_of(r, cp, getpid());

	for (unsigned int i = 0; i < r->ledger->nr_lines; i++) {
		if (r->ledger->line[i].pid > 0)
			n += heirs_of(r, cp, r->ledger->line[i].pid);
	}
	return n;
}

/* A release may be late by what --drain says, once nobody is left who inherited the pin. */
static bool too_late(struct run *r, const struct checkpoint *cp, uint64_t *limit)
{
	if (cp->drain_ns <= *limit)
		return false;
	if (cp->drain_ns > HUNG_NS || !all_heirs(r, NULL))
		return true;
	*limit = cp->drain_ns + r->opt->drain_ns;
	return false;
}

/*
 * Read until it is as predicted or waiting cannot help. Returns true if others
 * were seen to pin: none of ours can acquire now.
 */
static bool drain(struct run *r, struct checkpoint *cp, struct pin_snapshot *now)
{
	uint64_t start = pin_now_ns(), pause = MSEC / 10, first = 0;
	uint64_t limit = r->opt->drain_ns;
	unsigned int too_many = 0;
	bool others = false;

	for (;;) {
		if (read_counters(r, now)) {
			add(cp, "the counters cannot be read, or never come to rest");
			others = true;
			break;
		}
		if (!first)
			first = now->total.acquired;
		others |= now->total.acquired != first;
		compare(r, cp, now);
		cp->drain_ns = now->ns - start;
		/*
		 * CPUs fold their counts one after the other: what one pins then, and
		 * another drops, looks dropped only. It does not at the next look.
		 */
		too_many = cp->off_released > cp->off_acquired ? too_many + 1 : 0;
		/* Only a release can still come, and one of ours is waited for. */
		if (balanced(cp) || excused(cp) || too_late(r, cp, &limit) ||
		    (cp->off_released >= 0 && (cp->off_released == cp->off_acquired ||
					       too_many >= CONFIRMATIONS ||
					       (others && cp->drain_ns > OTHERS_NS))))
			break;
		pin_sleep_ns(pause);
		if (pause < 2 * MSEC)
			pause *= 2;
	}
	return others;
}

bool nodes_are_judged(const struct run *r)
{
	/* A long-term pin takes a page out of movable memory to any node. */
	return !r->kernel.movable_memory;
}

/* What moved on a node beyond what was predicted to. */
static bool node_agrees(const struct run *r, const struct checkpoint *cp,
			const struct pin_snapshot *now, int i, int64_t *a, int64_t *b)
{
	const struct books *p = &cp->predicted;
	uint64_t any_acquired = p->all.acquired, any_released = p->all.released;

	for (int n = 0; n < r->counters.nr_nodes; n++) {
		any_acquired -= p->node[n].acquired;
		any_released -= p->node[n].released;
	}
	*a = now->node[i].acquired - r->base.node[i].acquired - p->node[i].acquired;
	*b = now->node[i].released - r->base.node[i].released - p->node[i].released;
	if (!nodes_are_judged(r))
		return true;
	return *a >= 0 && *b >= 0 && (uint64_t)*a <= any_acquired + p->slack &&
	       (uint64_t)*b <= any_released + p->slack &&
	       *a - *b <= (int64_t)any_acquired && *b - *a <= (int64_t)any_released;
}

static bool nodes_agree(const struct run *r, struct checkpoint *cp,
			const struct pin_snapshot *now)
{
	struct pin_count gap = cp->moved;
	bool right = true;
	int64_t a, b;

	for (int i = 0; i < r->counters.nr_nodes; i++) {
		gap.acquired -= now->node[i].acquired - r->base.node[i].acquired;
		gap.released -= now->node[i].released - r->base.node[i].released;
		if (node_agrees(r, cp, now, i, &a, &b))
			continue;
		right = false;
	}
	if (r->counters.nr_nodes && (gap.acquired || gap.released)) {
		add(cp, "the nodes lack %+lld acquired and %+lld released of the total",
		    (long long)gap.acquired, (long long)gap.released);
		right = false;
	}
	return right;
}

static void describe_difference(struct run *r, struct checkpoint *cp,
				const struct pin_snapshot *now)
{
	int64_t left = cp->off_acquired - cp->off_released;
	char active[2048];
	int64_t a, b;

	add(cp, "predicted +%llu acquired +%llu released%s, measured %+lld %+lld (pages), %.1f ms after: %lld %s",
	    (unsigned long long)cp->predicted.all.acquired,
	    (unsigned long long)cp->predicted.all.released,
	    cp->predicted.slack ? " or both more" : "",
	    (long long)cp->moved.acquired, (long long)cp->moved.released,
	    cp->drain_ns / 1e6, (long long)(left < 0 ? -left : left),
	    left > 0 ? "not released" : left < 0 ? "released too often or not counted as acquired" :
	    "out of balance; both counters are off");
	for (int i = 0; i < r->counters.nr_nodes && r->counters.nr_nodes > 1; i++) {
		if (!node_agrees(r, cp, now, i, &a, &b))
			add(cp, "node %d: off by %+lld acquired %+lld released",
			    r->counters.node_id[i], (long long)a, (long long)b);
	}
	describe_activity(&cp->done, active, sizeof(active));
	add(cp, "at work in this interval: %s", active);
	if (left > 0)
		all_heirs(r, cp);
}

/* A quiet look as long as the interval was, up to a second, never the same. */
static bool quiet_now(struct run *r, const struct checkpoint *cp)
{
	uint64_t ns = cp->interval_ns < SEC ? cp->interval_ns : SEC;

	return !foreign_pins(r, ns + pin_now_ns() % (20 * MSEC));
}

/* None of ours has done anything since. */
static bool moved_since(struct run *r, const struct pin_snapshot *then)
{
	struct pin_snapshot now;

	return read_counters(r, &now) || memcmp(&now.total, &then->total, sizeof(now.total));
}

static enum verdict others_did(struct run *r, struct checkpoint *cp, const char *who)
{
	add(cp, "inconclusive: %s", who);
	r->foreign_until = cp->n + WARY;
	r->suspicious = 0;
	return V_INCONCLUSIVE;
}

/* Of the largest folio that one page of them may stand for. */
static unsigned int folio_pages(const struct pin_kernel *k)
{
	return k->pmd_size ? k->pmd_size / k->page_size : 1;
}

/* Not as predicted: is it the kernel or somebody else? */
static enum verdict judge_difference(struct run *r, struct checkpoint *cp,
				     const struct pin_snapshot *now, bool others)
{
	uint64_t mm = mm_activity() - r->base_mm;
	int64_t off = cp->off_acquired;
	char who[128];

	if (off >= 0 && off == cp->off_released && mm && !others &&
	    (uint64_t)off <= mm * folio_pages(&r->kernel)) {
		cp->mm = "pages were migrated, reclaimed or split: who meets that pins anew";
		return V_BOUNDED;
	}
	describe_difference(r, cp, now);
	if (cp->off_acquired < 0 || cp->off_released < 0)
		return V_FAIL;		/* nobody can take away from a counter */
	if (others || r->noisy_base)
		return others_did(r, cp, "other programs pin pages");
	if (!quiet_now(r, cp) || moved_since(r, now))
		return others_did(r, cp, "other programs pin pages right now");
	if (pin_foreign_changed(&r->holders, who, sizeof(who)))
		return others_did(r, cp, who);
	if (cp->n <= r->foreign_until)
		return others_did(r, cp, "other programs pinned pages a short while ago");
	if (off != cp->off_released) {
		add(cp, "nothing shows another program that took or dropped pins");
		return V_FAIL;
	}
	/* In balance: another program that came and went, or a kernel that repeats it. */
	if (++r->suspicious >= SUSPICIONS) {
		add(cp, "too many pins in %d intervals on end and in none of the quiet times between",
		    SUSPICIONS);
		return V_FAIL;
	}
	add(cp, "inconclusive: in balance, and nobody else seen: the same in %d intervals on end will be a failure (this is the %u.)",
	    SUSPICIONS, r->suspicious);
	return V_INCONCLUSIVE;
}

static enum verdict judge(struct run *r, struct checkpoint *cp,
			  const struct pin_snapshot *now, bool others)
{
	bool exact = !cp->off_acquired && !cp->off_released;

	/* What lies within bounds may be others' as well as our own. */
	if (!exact && balanced(cp) && !others)
		others = foreign_pins(r, LOOK_NS);
	if (!balanced(cp) && excused(cp)) {
		add(cp, "%+lld releases by a known issue of this kernel",
		    (long long)cp->predicted.excused);
		return r->opt->strict ? V_FAIL : V_EXCUSED;
	}
	if (!balanced(cp) || (!exact && others))
		return judge_difference(r, cp, now, others);
	r->suspicious = 0;
	if (!nodes_agree(r, cp, now)) {
		describe_difference(r, cp, now);
		return others || cp->n <= r->foreign_until ?
			       others_did(r, cp, "other programs pin pages") : V_FAIL;
	}
	return exact ? V_EXACT : V_BOUNDED;
}

/* What the processes say they have pinned; it may follow the counters late. */
static bool vmpin_agrees(struct run *r, struct checkpoint *cp)
{
	const long kib = r->kernel.page_size / 1024;
	uint64_t deadline = pin_now_ns() + r->opt->drain_ns;
	struct pin_statement st;
	bool right = true;

	for (unsigned int i = 0; i < r->ledger->nr_lines; i++) {
		const struct line *l = &r->ledger->line[i];
		long predicted = l->books.vmpin * kib;

		if (l->pid <= 0)
			continue;
		while (!pin_statement_read(l->pid, &st) && st.vmpin_kib != predicted &&
		       pin_now_ns() < deadline)
			pin_sleep_ns(MSEC);
		if (st.vmpin_kib < 0)
			continue;
		cp->vmpin_kib += st.vmpin_kib;
		if (st.vmpin_kib != predicted) {
			add(cp, "VmPin of process %d is %ld kB, predicted %ld kB", l->pid,
			    st.vmpin_kib, predicted);
			right = false;
		}
	}
	return right;
}

static bool results_agree(struct run *r, struct checkpoint *cp)
{
	bool right = true;

	for (unsigned int i = 0; i < r->ledger->nr_lines; i++) {
		struct line *l = &r->ledger->line[i];

		if (!l->wrong)
			continue;
		add(cp, "%s%s", l->wrong_text, l->wrong > 1 ? ", and not only once" : "");
		l->wrong = 0;
		right = false;
	}
	return right;
}

/* Page by page, as the workers saw it at the barrier. */
static bool pages_agree(struct run *r, struct checkpoint *cp)
{
	bool right = true;

	for (unsigned int i = 0; i < r->ledger->nr_lines; i++) {
		struct line *l = &r->ledger->line[i];

		if (!l->unlike)
			continue;
		l->unlike_text[strcspn(l->unlike_text, "\n")] = '\0';
		add(cp, "page view: %u pages or folios are not as booked: %s", l->unlike,
		    l->unlike_text);
		l->unlike = 0;
		right = false;
	}
	return right;
}

/* The known issue that all of these lines are of, or NULL. */
static const struct pin_known_issue *all_known(struct run *r, const char *lines)
{
	const struct pin_known_issue *issue = NULL;
	char line[256];
	size_t len;

	for (; *lines; lines += len + (lines[len] == '\n')) {
		len = strcspn(lines, "\n");
		snprintf(line, sizeof(line), "%.*s", (int)len, lines);
		issue = pin_known_issue(&r->kernel, "log", line);
		if (!issue)
			break;
	}
	return issue;
}

static bool kernel_log_is_clean(struct run *r, struct checkpoint *cp)
{
	const struct pin_known_issue *issue;
	char bad[2048];

	if (!pin_klog_check(&r->klog, bad, sizeof(bad)))
		return true;
	issue = r->opt->strict ? NULL : all_known(r, bad);
	if (issue && cp->verdict < V_EXCUSED)
		cp->verdict = V_EXCUSED;
	add(cp, "the kernel log has, since the last checkpoint:\n%s%s%s", bad,
	    issue ? "known: " : "", issue ? issue->reason : "");
	return issue;
}

/* Everything that is not about the counters. */
static bool side_statements(struct run *r, struct checkpoint *cp, bool crashed)
{
	bool right = !crashed;

	right &= results_agree(r, cp);
	right &= pages_agree(r, cp);
	right &= kernel_log_is_clean(r, cp);
	if (cp->verdict != V_INCONCLUSIVE)
		right &= vmpin_agrees(r, cp);
	return right;
}

static void re_anchor(struct run *r, struct checkpoint *cp, struct pin_snapshot *now,
		      const struct books *books)
{
	r->noisy_base = false;
	if (cp->verdict == V_INCONCLUSIVE || cp->verdict == V_FAIL) {
		r->noisy_base = cp->verdict == V_INCONCLUSIVE && foreign_pins(r, LOOK_NS);
		read_counters(r, now);
		pin_foreign_note(&r->holders);
	}
	anchor(r, now, books);
}

static void keep_failure(struct run *r, const struct checkpoint *cp)
{
	if (r->first_fail)
		return;
	r->first_fail = cp->n;
	r->fail_done = cp->done;
	snprintf(r->fail_reason, sizeof(r->fail_reason), "%s", cp->reason);
	for (unsigned int i = 0; i < r->ledger->nr_lines; i++) {
		if (r->ledger->line[i].step > r->fail_step)
			r->fail_step = r->ledger->line[i].step;
	}
}

void take_checkpoint(struct run *r, struct checkpoint *cp, bool last)
{
	static struct activity all;
	struct pin_snapshot now;
	struct books books;
	uint64_t start = pin_now_ns(), n = cp->n;
	bool others, crashed;

	memset(cp, 0, sizeof(*cp));
	cp->n = n;
	cp->at_ns = start - r->start_ns;
	cp->interval_ns = start - r->base.ns;
	cp->flushed = pin_counters_exact(&r->counters);
	crashed = !last && !wait_for_workers(r, cp);
	crashed |= crashes_since(r, cp->reason + strlen(cp->reason),
				 sizeof(cp->reason) - strlen(cp->reason));
	cp->barrier_ns = pin_now_ns() - start;
	ledger_sum(r->ledger, &books);
	books_since(&r->base_books, &books, &cp->predicted);
	ledger_activity(r->ledger, &all);
	activity_since(&r->base_done, &all, &cp->done);
	r->base_done = all;
	cp->held = books.all.acquired - books.all.released;

	others = drain(r, cp, &now);
	cp->verdict = judge(r, cp, &now, others);
	if (!side_statements(r, cp, crashed))
		cp->verdict = V_FAIL;
	cp->counters = now.total;
	if (cp->verdict == V_BOUNDED)
		r->excess += cp->off_acquired;
	cp->foreign = pin_outstanding(&now.total) - pin_outstanding(&r->start.total) - cp->held;
	if (cp->verdict == V_FAIL)
		keep_failure(r, cp);
	r->verdicts[cp->verdict]++;
	re_anchor(r, cp, &now, &books);
	if (!last)
		let_workers_go(r, cp);
	cp->work_ns = pin_now_ns() - start - cp->barrier_ns - cp->drain_ns;
}
