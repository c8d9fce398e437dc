// SPDX-License-Identifier: GPL-2.0
/* Verdicts: a kernel that miscounts, or another program that pins? */
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "suite_internal.h"

#define MAX_ATTEMPTS	10	/* in quiet moments, while outcomes contradict */
#define ONCE		"once, then not again"
#define CONFIRMATIONS	3	/* equal outcomes on end, once in doubt */
#define REST_NS		(200 * MS)	/* a process that was killed has let go by then */

/* Pins moved while no test ran: whoever it was makes us wary from now on. */
static void close_gap(struct pin_suite *s, struct pin_snapshot *now)
{
	struct pin_count gap = moved_since(&s->last.total, &now->total);

	if (gap.acquired || gap.released) {
		s->strayed.acquired += gap.acquired;
		s->strayed.released += gap.released;
		s->alert = true;
		s->foreign_traffic = true;
	}
	s->last = *now;
}

/* What pintrace has in its books of us; zero where it keeps none. */
struct pin_count pin_own_count(const struct pin_suite *s)
{
	struct pin_count own = { 0, 0 };

	if (s->own) {
		own.released = s->own->released;
		own.acquired = s->own->acquired;
	}
	return own;
}

/*
 * Do others pin, too, and does pintrace tell us from them? Then its books of us
 * are read instead of the kernel's counters from now on, and the machine is as
 * quiet as it needs to be. The account is theirs from its start: of what we have
 * pinned, that has strayed which no test explains. True if it is so since this call.
 */
bool pin_part_from_others(struct pin_suite *s)
{
	struct pin_count all;

	if (!s->own || s->counters.own || !s->own->others)
		return false;
	s->counters.own = s->own;
	pin_counters_read(&s->counters, &s->last);
	s->start.total = s->own_start;
	all = moved_since(&s->start.total, &s->last.total);
	s->strayed = moved_since(&s->explained, &all);
	s->alert = false;
	s->foreign_traffic = false;
	printf("# other programs pin pages: from now on pintrace's books of this program and its children are read, not the kernel's counters, and no nodes\n");
	return true;
}

/* Pages outstanding at one moment, by whatever is read later. */
struct level {
	int64_t counters, own;
};

static struct level level_now(const struct pin_suite *s, const struct pin_snapshot *now)
{
	const struct pin_count own = s->counters.own ? now->total : pin_own_count(s);

	return (struct level){ pin_outstanding(&now->total), pin_outstanding(&own) };
}

static int64_t outstanding_at(const struct pin_suite *s, const struct level *l)
{
	return s->counters.own ? l->own : l->counters;
}

uint64_t pin_suite_ambient(struct pin_suite *s, uint64_t ns)
{
	struct pin_snapshot before, after;
	struct pin_count moved;

	if (pin_counters_settle(&s->counters, &before, 10000 * MS))
		return 1;
	/* Where nothing can be read exactly, tests are not booked one by one. */
	if (pin_counters_exact(&s->counters))
		close_gap(s, &before);
	pin_sleep_ns(ns);
	if (pin_counters_settle(&s->counters, &after, 10000 * MS))
		return 1;
	s->last = after;
	moved = moved_since(&before.total, &after.total);
	s->strayed.acquired += moved.acquired;
	s->strayed.released += moved.released;
	if (moved.acquired || moved.released)
		s->foreign_traffic = true;
	s->ambient = moved.acquired + moved.released;
	s->ambient_ns = ns;
	return s->ambient;
}

/*
 * Two milliseconds, or as long as the test took; never twice the same, so that
 * no other program's rhythm can fall in with ours.
 */
static uint64_t window_ns(uint64_t took)
{
	if (took < 2 * MS)
		took = 2 * MS;
	if (took > 200 * MS)
		took = 200 * MS;
	return took + pin_now_ns() % (3 * MS);
}

/* Spend some of the run's patience on a window in which nobody pins. */
static bool wait_for_quiet(struct pin_suite *s)
{
	uint64_t start;
	bool quiet;

	do {
		start = pin_now_ns();
		quiet = !pin_suite_ambient(s, window_ns(0));
		start = pin_now_ns() - start;
		s->quiet_wait_ns -= start < s->quiet_wait_ns ? start : s->quiet_wait_ns;
	} while (!quiet && s->quiet_wait_ns && !pin_interrupted);
	return quiet;
}

/* Has anything moved since the last step? Nodes are as then if not. */
static void look_for_gap(struct pin_suite *s, struct pin_snapshot *now)
{
	*now = s->last;
	pin_counters_read_total(&s->counters, now);
	if (memcmp(&now->total, &s->last.total, sizeof(now->total)))
		pin_counters_read_nodes(&s->counters, now);
	close_gap(s, now);
}

static void init_audit(struct pin_suite *s, struct pin_audit *au)
{
	memset(au, 0, sizeof(*au));
	au->suite = s;
	au->node = -1;
	au->record = pin_record_start();
	au->verdict = PIN_PASS;
}

static void begin_audit(struct pin_suite *s, struct pin_audit *au)
{
	init_audit(s, au);
	if (pin_counters_exact(&s->counters))
		look_for_gap(s, &au->base);
}

/* Take the warnings that the test expects out of @bad, lines of the log. */
static void drop_expected(struct pin_audit *au, char *bad)
{
	char *line = bad, *end, pattern[128];

	snprintf(pattern, sizeof(pattern), "WARNING:*%s*", au->warning ?: "");
	while (au->warning && (end = strchr(line, '\n'))) {
		*end = '\0';
		if (!fnmatch(pattern, line, FNM_EXTMATCH)) {
			au->suite->warned = true;
			if (au->warning_issue)
				pin_audit_show_issue(au, au->warning_issue);
			memmove(line, end + 1, strlen(end + 1) + 1);
		} else {
			*end = '\n';
			line = end + 1;
		}
	}
}

/* Whatever a step has found stands, whatever the function says. */
static void end_audit(struct pin_suite *s, struct pin_audit *au, enum pin_verdict said)
{
	char bad[2048];

	if (au->verdict == PIN_PASS)
		au->verdict = said;
	if (au->mismatch && au->verdict != PIN_SKIP)
		au->verdict = PIN_FAIL;
	pin_klog_check(&s->klog, bad, sizeof(bad));
	drop_expected(au, bad);
	if (*bad) {
		pin_audit_fail(au, "the kernel log has, since the test began:\n%s", bad);
		au->mismatch = false;	/* that is no noise */
	}
	if (au->verdict == PIN_PASS && au->excused)
		au->verdict = s->strict ? PIN_FAIL : PIN_XFAIL;
	if (pin_counters_exact(&s->counters))
		s->last = au->base;
}

/* The stages of one test on end. */
static enum pin_verdict run_stages(struct pin_test *t, struct pin_audit *au)
{
	struct pin_predict rest = { .acquired = 0 };
	enum pin_verdict said;
	const char *what;
	void *state = NULL;
	pid_t pid = 0;

	said = t->stages->begin(au, t->arg, &state);
	if (!state)
		return said;
	what = t->stages->finish(au, state, &rest, &pid);
	if (what && pin_audit_step(au, what, &rest, 0, pid) && t->stages->after)
		t->stages->after(au, state);
	t->stages->stop(state);
	return said;
}

void pin_run_once(struct pin_suite *s, struct pin_test *t, struct pin_audit *au)
{
	begin_audit(s, au);
	end_audit(s, au, t->stages ? run_stages(t, au) : t->fn(au, t->arg));
}

static void add_log_tail(struct pin_suite *s, struct pin_audit *au)
{
	if (s->klog.fd < 0) {
		pin_audit_note(au, "kernel log: not readable here (root reads /dev/kmsg)");
		return;
	}
	for (unsigned int i = 0; i < 8; i++) {
		const char *line = s->klog.tail[(s->klog.tail_next + i) % 8];

		if (*line)
			pin_audit_note(au, "kernel log: %s", line);
	}
}

void pin_settle_verdict(struct pin_suite *s, struct pin_test *t, struct pin_audit *au)
{
	static const char *const names[] = {
		[PIN_PASS] = "pass", [PIN_FAIL] = "fail", [PIN_XFAIL] = "xfail",
		[PIN_SKIP] = "skip", [PIN_INCONCLUSIVE] = "inconclusive",
	};

	if (au->verdict == PIN_FAIL)
		add_log_tail(s, au);
	t->verdict = au->verdict;
	free(t->text);
	t->text = strdup(au->text);
	pin_record_text(au->record, "program", s->program->name);
	pin_record_text(au->record, "test", t->name);
	pin_record_text(au->record, "result", names[t->verdict]);
	pin_record_text(au->record, "kernel", s->kernel.release);
	if (*au->text)
		pin_record_text(au->record, "detail", au->text);
	pin_record_end(au->record, !t->unlisted);
	au->record = NULL;
}

static void stray(struct pin_suite *s, const struct pin_count *off)
{
	s->strayed.acquired += off->acquired;
	s->strayed.released += off->released;
	s->explained.acquired -= off->acquired;
	s->explained.released -= off->released;
}

/*
 * Pages more outstanding than @then. What another program has in flight comes
 * back; what stays until the deadline is there to stay.
 */
static int64_t left_behind(struct pin_suite *s, int64_t then)
{
	uint64_t deadline = pin_now_ns() + s->drain_ns;

	while (pin_outstanding(&s->last.total) != then && pin_now_ns() < deadline &&
	       !pin_interrupted)
		pin_suite_ambient(s, 5 * MS);
	return pin_outstanding(&s->last.total) - then;
}

/* What the first attempt that went wrong says; the caller frees it. */
static void remember(char **once, const struct pin_test *t, const struct pin_audit *au)
{
	if (!*once && asprintf(once, "%s: %s", t->name, au->text) < 0)
		*once = NULL;
}

/* What passed in the end was not so at first. @once may be NULL. */
static void say_once(const struct pin_suite *s, const char *once)
{
	if (once && !s->verbose)
		printf("# " ONCE ": %.*s\n", (int)strcspn(once, "\n"), once);
}

/*
 * Pins came to stay, or went, once, said the counters or the pages: a race in
 * the kernel, unless there is any sign of another program that did it. One that
 * is known lets go in the end.
 */
static void judge_unreproduced(struct pin_suite *s, const struct pin_test *t,
			       struct pin_audit *au, const char *when,
			       int64_t left, unsigned int stuck, const char *once)
{
	const struct pin_known_issue *issue = left ? NULL :
					      pin_known_issue(&s->kernel, "race", t->name);
	char who[128] = "other programs pinned pages during this run";
	bool foreign = s->foreign_traffic;

	if (!foreign && !s->counters.own)
		foreign = pin_foreign_changed(&s->holders, who, sizeof(who));
	snprintf(au->text, sizeof(au->text),
		 "%s%s, %+lld pages stayed %s: %s\n",
		 foreign ? "inconclusive: " : "", when, (long long)(left ?: stuck),
		 left ? "outstanding" : "pinned, says the page view", foreign ? who :
		 "a race in the kernel, as nothing shows another program that took or dropped pins");
	if (once)
		pin_audit_note(au, "%s", once);
	au->verdict = foreign ? PIN_INCONCLUSIVE : PIN_FAIL;
	if (issue && !foreign) {
		pin_audit_show_issue(au, issue);
		au->verdict = s->strict ? PIN_FAIL : PIN_XFAIL;
	}
}

/* pintrace's books are read, and are not complete. */
static bool books_lost(const struct pin_suite *s)
{
	return s->counters.own && s->own->lost;
}

/* The reason goes first: it is what a skip shows. */
static void call_inconclusive(struct pin_suite *s, struct pin_audit *au)
{
	char *text = strdup(au->text);

	if (books_lost(s))
		snprintf(au->text, sizeof(au->text),
			 "inconclusive: pintrace had no room for %llu pages: give it more by --folios\n",
			 (unsigned long long)s->own->lost);
	else
		snprintf(au->text, sizeof(au->text),
			 "inconclusive: machine busy: other programs pin pages (%llu moved in the last %.0f ms), no quiet moment for this test\n",
			 (unsigned long long)s->ambient, s->ambient_ns / 1e6);
	if (text)
		pin_audit_note(au, "%s", text);
	free(text);
	au->verdict = PIN_INCONCLUSIVE;
}

/*
 * A test that took pins it was not to get has no step in which they go: they do when
 * its processes end, and a little later, which is no sign of another program.
 */
static void await_rest(struct pin_suite *s, int64_t then, struct pin_count *off)
{
	uint64_t deadline = pin_now_ns() + REST_NS;
	struct pin_snapshot now = s->last;
	struct pin_count moved;

	while (pin_outstanding(&now.total) != then && pin_now_ns() < deadline &&
	       !pin_interrupted) {
		pin_sleep_ns(MS);
		if (pin_counters_read(&s->counters, &now))
			return;
	}
	moved = moved_since(&s->last.total, &now.total);
	s->explained.acquired += moved.acquired;
	s->explained.released += moved.released;
	off->acquired += moved.acquired;
	off->released += moved.released;
	s->last = now;
}

/* What one attempt said; verdicts are compared by it. */
struct outcome {
	bool mismatch;
	struct pin_count off;
};

/*
 * One test where every step can be read exactly. On a quiet machine one
 * attempt that matches is enough. As soon as anything moved that should not,
 * the same outcome must come CONFIRMATIONS times on end, each time between two
 * windows in which nobody pins; or MAX_ATTEMPTS of them are wrong in any way.
 */
static void judge_exactly(struct pin_suite *s, struct pin_test *t)
{
	struct outcome seen = { false, { 0, 0 } }, now;
	const uint64_t drain_ns = s->drain_ns;
	const struct level before = level_now(s, &s->last);
	const unsigned int stuck = s->pages_stuck;
	struct pin_count all_off = { 0, 0 };
	int64_t left = 0, then;
	unsigned int attempts = 0, equal = 0, wrong = 0;
	struct pin_audit au;
	char *once = NULL;
	uint64_t took = 0;
	bool quiet, open, parted = false;

	for (;;) {
		if (pin_part_from_others(s)) {
			parted = all_off.acquired || all_off.released;
			stray(s, &all_off);
			all_off = (struct pin_count){ 0, 0 };
		}
		quiet = !s->alert || wait_for_quiet(s);
		if (!quiet && !s->quiet_wait_ns) {
			begin_audit(s, &au);
			call_inconclusive(s, &au);
			break;
		}
		took = pin_now_ns();
		then = pin_outstanding(&s->last.total);
		pin_run_once(s, t, &au);
		took = pin_now_ns() - took;
		if (books_lost(s)) {
			call_inconclusive(s, &au);
			break;
		}
		if (au.mismatch) {
			s->alert = true;
			remember(&once, t, &au);
			if (s->verbose)
				printf("# %s, attempt %u: %s", t->name, attempts + 1, au.text);
			all_off.acquired += au.off.acquired;
			/* What was to be pinned after its last step is to go, too. */
			all_off.released += au.off.released -
					    (au.predicted.acquired - au.predicted.released);
			await_rest(s, then, &all_off);
			/* The same again is not worth as long a wait. */
			if (s->drain_ns > LOST_NS)
				s->drain_ns = LOST_NS;
		}
		if (pin_interrupted || au.verdict == PIN_SKIP ||
		    (au.verdict == PIN_FAIL && !au.mismatch))
			break;
		if (s->alert && quiet)
			quiet = !pin_suite_ambient(s, window_ns(took));
		now = (struct outcome){ au.mismatch, au.off };
		if (!quiet)
			equal = 0;
		else
			equal = memcmp(&now, &seen, sizeof(now)) ? 1 : equal + 1;
		seen = now;
		if (equal >= (s->alert ? CONFIRMATIONS : 1))
			break;
		attempts += quiet;
		wrong += quiet && au.mismatch;
		if (attempts >= MAX_ATTEMPTS) {
			/* Others would have to come each time, and never before or after it. */
			if (wrong == attempts)
				pin_audit_note(&au, "%u attempts, between quiet moments, were all wrong, if not alike",
					       attempts);
			else
				call_inconclusive(s, &au);
			break;
		}
		pin_record_end(au.record, false);
	}
	s->drain_ns = drain_ns;
	if (au.verdict == PIN_FAIL && au.mismatch && took > 200 * MS &&
	    ++s->timeouts == 3 && s->drain_ns > 1000 * MS) {
		s->drain_ns = 1000 * MS;
		printf("# late releases do not come: waiting at most 1 s for them from now on\n");
	}
	/* What it has lost may be what it lacks now that it is skipped. */
	open = au.verdict == PIN_PASS || au.verdict == PIN_SKIP || attempts >= MAX_ATTEMPTS;
	if (open && (parted || all_off.acquired || all_off.released))
		left = left_behind(s, outstanding_at(s, &before));
	if (open && (left || s->pages_stuck != stuck))
		judge_unreproduced(s, t, &au, attempts < MAX_ATTEMPTS ? ONCE : "not each time",
				   left, s->pages_stuck - stuck, once);
	if (au.verdict == PIN_PASS || au.verdict == PIN_XFAIL)
		say_once(s, once);
	free(once);
	/* The difference of a test that fails is its own, else somebody's. */
	if (au.verdict != PIN_FAIL)
		stray(s, &all_off);
	pin_settle_verdict(s, t, &au);
}

struct batched {
	struct pin_audit au;
	struct pin_predict rest;
	enum pin_verdict said;
	const char *what;
	void *state;
	pid_t pid;
};

/*
 * Begin all, finish all, wait once. True if every test of the batch is right;
 * their verdicts are settled then. Else @once is what one of them says.
 */
static bool run_batch(struct pin_suite *s, struct pin_test *t, unsigned int nr,
		      struct batched *b, char **once)
{
	struct pin_predict sum = { .acquired = 0 };
	struct pin_audit au;
	bool right = true;
	unsigned int begun, i;

	for (begun = 0; begun < nr && right; begun++) {
		struct batched *one = &b[begun];

		memset(one, 0, sizeof(*one));
		begin_audit(s, &one->au);
		one->said = t[begun].stages->begin(&one->au, t[begun].arg, &one->state);
		end_audit(s, &one->au, one->said);
		right = one->au.verdict != PIN_FAIL && !s->alert && !pin_interrupted;
		if (one->au.mismatch)
			remember(once, &t[begun], &one->au);
		if (s->verbose && !right)
			printf("# %s: %s", t[begun].name, one->au.text);
	}
	/* Between tests nothing moves, but what one had that is wrong is going. */
	if (right)
		begin_audit(s, &au);
	else
		init_audit(s, &au);
	/* The first may have let go before the last is told to. */
	for (i = 0; i < begun && right; i++) {
		if (!b[i].state)
			continue;
		b[i].what = t[i].stages->finish(&b[i].au, b[i].state, &b[i].rest, &b[i].pid);
		right = b[i].what && b[i].au.verdict != PIN_FAIL;
		sum.released += b[i].rest.released;
	}
	if (right) {
		pin_audit_step(&au, "last releases", &sum, 0, 0);
		/* Whose VmPin it is can be told, batch or not. */
		for (i = 0; i < nr; i++) {
			if (!b[i].state)
				continue;
			if (b[i].pid)
				pin_check_vmpin(&b[i].au, b[i].what, &b[i].rest, b[i].pid);
			if (t[i].stages->after)
				t[i].stages->after(&b[i].au, b[i].state);
			if (b[i].au.verdict == PIN_FAIL || b[i].au.mismatch)
				right = false;
			if (b[i].au.mismatch)
				remember(once, &t[i], &b[i].au);
			if (s->verbose && b[i].au.mismatch)
				printf("# %s: %s", t[i].name, b[i].au.text);
		}
		end_audit(s, &au, PIN_PASS);
		right = right && au.verdict == PIN_PASS;
		if (!right)
			remember(once, t, &au);
		if (s->verbose && !right)
			printf("# %s", au.text);
	}
	pin_record_end(au.record, false);
	for (i = 0; i < begun; i++) {
		if (b[i].state)
			t[i].stages->stop(b[i].state);
		if (right)
			pin_settle_verdict(s, &t[i], &b[i].au);
		else
			pin_record_end(b[i].au.record, false);
	}
	return right;
}

/*
 * A batch that went wrong is over: wait until its pins are gone, or settled. What they are
 * off by then may go later, and is to be found strayed then.
 */
static struct pin_count drain_batch(struct pin_suite *s, int64_t before)
{
	uint64_t deadline = pin_now_ns() + s->drain_ns;
	struct pin_count off = { 0, 0 };
	struct pin_snapshot now;

	do {
		pin_sleep_ns(2 * MS);
		if (pin_counters_read(&s->counters, &now))
			break;
	} while (pin_outstanding(&now.total) != before && pin_now_ns() < deadline);
	s->explained.acquired += now.total.acquired - s->last.total.acquired;
	s->explained.released += now.total.released - s->last.total.released;
	s->last = now;
	off.released -= pin_outstanding(&now.total) - before;
	return off;
}

/* Skips the test if it says by itself that it cannot be run here. */
static bool skip_unfit(struct pin_suite *s, struct pin_test *t)
{
	const char *why = t->stages && t->stages->unfit ? t->stages->unfit(t->arg) : NULL;
	struct pin_audit au;

	if (!why)
		return false;
	init_audit(s, &au);
	pin_audit_skip(&au, "%s", why);
	pin_settle_verdict(s, t, &au);
	return true;
}

/* Tests [lo, hi), of one batch. */
void pin_judge_batch(struct pin_suite *s, unsigned int lo, unsigned int hi)
{
	const unsigned int stuck = s->pages_stuck;
	struct pin_count off = { 0, 0 };
	struct pin_snapshot now;
	struct level before = { 0, 0 };
	struct batched *b;
	char *once = NULL;
	int64_t left = 0;
	bool failed = false;

	while (lo < hi && skip_unfit(s, &s->tests[lo]))
		lo++;
	if (lo == hi)
		return;
	pin_part_from_others(s);
	b = s->alert || hi - lo == 1 ? NULL : calloc(hi - lo, sizeof(*b));
	if (b) {
		look_for_gap(s, &now);
		before = level_now(s, &now);
		if (run_batch(s, &s->tests[lo], hi - lo, b, &once)) {
			free(b);
			return;
		}
		if (s->verbose)
			printf("# %s and the %u after it: once more, one by one\n",
			       s->tests[lo].name, hi - lo - 1);
		free(b);
		off = drain_batch(s, before.counters);
	}
	for (unsigned int i = lo; i < hi && !pin_interrupted; i++) {
		judge_exactly(s, &s->tests[i]);
		failed |= s->tests[i].verdict == PIN_FAIL;
	}
	/* What the batch has left behind, no test alone does: a race, or others. */
	if (!b || failed || pin_interrupted)
		goto out;
	left = left_behind(s, outstanding_at(s, &before));
	if (left || s->pages_stuck != stuck) {
		struct pin_audit au;

		begin_audit(s, &au);
		judge_unreproduced(s, &s->tests[lo], &au, ONCE, left, s->pages_stuck - stuck, once);
		pin_settle_verdict(s, &s->tests[lo], &au);
	} else {
		say_once(s, once);
	}
	if (s->tests[lo].verdict != PIN_FAIL)
		stray(s, &off);
out:
	free(once);
}

/*
 * Tests [lo, hi) where steps can't be read: run them, let the counters settle,
 * compare the sums. On a difference judge each half by itself.
 */
void pin_judge_in_sum(struct pin_suite *s, unsigned int lo, unsigned int hi)
{
	struct pin_snapshot before, after;
	struct pin_count sum = { 0, 0 }, moved;
	uint64_t migrated = 0, extra;
	struct pin_audit au;
	bool failed = false;

	if (pin_counters_settle(&s->counters, &before, 10000 * MS)) {
		for (; lo < hi; lo++) {
			s->tests[lo].verdict = PIN_INCONCLUSIVE;
			free(s->tests[lo].text);
			s->tests[lo].text = strdup("inconclusive: machine busy: the counters never came to rest");
		}
		return;
	}
	for (unsigned int i = lo; i < hi && !pin_interrupted; i++) {
		if (skip_unfit(s, &s->tests[i]))
			continue;
		pin_run_once(s, &s->tests[i], &au);
		sum.acquired += au.predicted.acquired;
		sum.released += au.predicted.released;
		migrated += au.migrated;
		pin_settle_verdict(s, &s->tests[i], &au);
		failed |= au.verdict == PIN_FAIL;
	}
	if (pin_counters_settle(&s->counters, &after, s->drain_ns + 10000 * MS))
		after = before;
	moved = moved_since(&before.total, &after.total);
	extra = moved.acquired - sum.acquired;
	/* After a failure the sum lacks the steps that were not reached. */
	if ((extra <= migrated && moved.released - sum.released == extra) ||
	    failed || pin_interrupted)
		return;
	if (s->verbose)
		printf("# %s to %s in sum: predicted +%llu +%llu, measured %+lld %+lld: judging each half\n",
		       s->tests[lo].name, s->tests[hi - 1].name,
		       (unsigned long long)sum.acquired, (unsigned long long)sum.released,
		       (long long)moved.acquired, (long long)moved.released);
	if (hi - lo > 1) {
		pin_judge_in_sum(s, lo, lo + (hi - lo) / 2);
		pin_judge_in_sum(s, lo + (hi - lo) / 2, hi);
		for (unsigned int i = lo; i < hi; i++)
			failed |= s->tests[i].verdict == PIN_FAIL;
		if (!failed) {		/* and so it did not happen again */
			s->strayed.acquired += extra;
			s->strayed.released += moved.released - sum.released;
		}
		return;
	}
	/* One test, wrong in sum: again, and see whether the machine is quiet. */
	struct pin_test *t = &s->tests[lo];
	bool busy = pin_suite_ambient(s, 2 * s->counters.settle_ns);
	char text[512];

	snprintf(text, sizeof(text), "%spredicted in sum +%llu acquired +%llu released, measured %+lld %+lld (pages)\n",
		 busy ? "inconclusive: machine busy: " : "",
		 (unsigned long long)sum.acquired, (unsigned long long)sum.released,
		 (long long)moved.acquired, (long long)moved.released);
	free(t->text);
	t->text = strdup(text);
	t->verdict = busy ? PIN_INCONCLUSIVE : PIN_FAIL;
}

enum pin_verdict pin_suite_try(struct pin_audit *outer, pin_test_fn fn, const void *arg,
			       uint64_t quiet_wait_ns, char *text, size_t len)
{
	struct pin_suite *s = outer->suite, saved = *s;
	struct pin_test inner = { .name = "try", .fn = fn, .arg = arg, .unlisted = true };

	/* As at the start of a program; what is read stays what it is. */
	if (!s->counters.own)
		s->own = NULL;
	pin_counters_read(&s->counters, &s->last);
	s->alert = pin_suite_ambient(s, QUIET_START_MS * MS);
	s->quiet_wait_ns = quiet_wait_ns;
	judge_exactly(s, &inner);
	snprintf(text, len, "%s", inner.text);
	free(inner.text);
	/* What moved meanwhile is the caller's doing: books as they were. */
	s->own = saved.own;
	s->quiet_wait_ns = saved.quiet_wait_ns;
	s->alert = saved.alert;
	s->foreign_traffic = saved.foreign_traffic;
	s->explained = saved.explained;
	s->pages_stuck = saved.pages_stuck;
	s->strayed = saved.strayed;
	return inner.verdict;
}

void pin_audit_expect_warning(struct pin_audit *au, const char *where)
{
	au->warning = where;
	au->warning_issue = NULL;
}

void pin_audit_excuse_warning(struct pin_audit *au, const char *consumer, const char *target,
			      const char *where)
{
	const struct pin_known_issue *issue =
		pin_known_issue(&au->suite->kernel, consumer, target);

	if (!issue)
		return;
	au->warning = where;
	au->warning_issue = issue;
}

void pin_audit_restart(struct pin_audit *au)
{
	struct pin_suite *s = au->suite;
	struct pin_snapshot now;
	struct pin_count moved;

	pin_counters_settle(&s->counters, &now, 10000 * MS);
	moved = moved_since(&au->base.total, &now.total);
	s->explained.acquired += moved.acquired;
	s->explained.released += moved.released;
	/* In the sum, which has it, too: pinned and given back. */
	au->migrated += moved.acquired;
	au->base = now;
	s->last = now;
}
