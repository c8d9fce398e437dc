// SPDX-License-Identifier: GPL-2.0
/* Steps: one comparison of what was predicted with what is measured. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proc.h"
#include "suite_internal.h"

const struct pin_kernel *pin_suite_kernel(const struct pin_suite *s)
{
	return &s->kernel;
}

const struct pin_counters *pin_suite_counters(const struct pin_suite *s)
{
	return &s->counters;
}

const struct pin_kernel *pin_audit_kernel(const struct pin_audit *au)
{
	return &au->suite->kernel;
}

const struct pin_counters *pin_audit_counters(const struct pin_audit *au)
{
	return &au->suite->counters;
}

const struct pin_snapshot *pin_audit_base(const struct pin_audit *au)
{
	return &au->base;
}

void pin_audit_expect_node(struct pin_audit *au, int node_id)
{
	au->node = node_id;
}

bool pin_audit_not_in_own(struct pin_audit *au, const char *what)
{
	if (!au->suite->counters.own)
		return false;
	pin_audit_skip(au, "inconclusive: other programs pin pages, and pintrace's books, which are read instead, have no %s",
		       what);
	return true;
}

static void vnote(struct pin_audit *au, const char *fmt, va_list ap)
{
	size_t used = strlen(au->text);

	vsnprintf(au->text + used, sizeof(au->text) - used, fmt, ap);
	used = strlen(au->text);
	if (used && au->text[used - 1] != '\n' && used < sizeof(au->text) - 1)
		strcat(au->text, "\n");
}

void pin_audit_note(struct pin_audit *au, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vnote(au, fmt, ap);
	va_end(ap);
}

enum pin_verdict pin_audit_fail(struct pin_audit *au, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vnote(au, fmt, ap);
	va_end(ap);
	au->verdict = PIN_FAIL;
	return PIN_FAIL;
}

void pin_audit_differs(struct pin_audit *au, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vnote(au, fmt, ap);
	va_end(ap);
	au->mismatch = true;
}

enum pin_verdict pin_audit_skip(struct pin_audit *au, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vnote(au, fmt, ap);
	va_end(ap);
	au->verdict = PIN_SKIP;
	return PIN_SKIP;
}

void pin_audit_base_vmpin(struct pin_audit *au, pid_t pid)
{
	struct pin_statement st;

	au->vmpin_pid = pin_statement_read(pid, &st) ? 0 : pid;
	au->vmpin_kib = st.vmpin_kib;
}

void pin_audit_show_issue(struct pin_audit *au, const struct pin_known_issue *issue)
{
	if (!au->excused)
		pin_audit_note(au, "known issue %s: %s", issue->id, issue->reason);
	au->excused = true;
}

bool pin_audit_excuse(struct pin_audit *au, const char *consumer, const char *target)
{
	const struct pin_known_issue *issue =
		pin_known_issue(&au->suite->kernel, consumer, target);

	if (issue)
		pin_audit_show_issue(au, issue);
	return issue;
}

bool pin_audit_avoid(struct pin_audit *au, const char *consumer, const char *target)
{
	const struct pin_known_issue *issue =
		pin_known_untried(&au->suite->kernel, consumer, target);

	if (!issue || au->suite->strict)
		return false;
	pin_audit_show_issue(au, issue);
	if (au->verdict == PIN_PASS)
		au->verdict = PIN_XFAIL;
	return true;
}

/* Equal, or both larger by the same number of pages that may come on top. */
static bool as_predicted(const struct pin_count *moved, const struct pin_predict *want)
{
	uint64_t extra = moved->acquired - want->acquired;

	return (extra <= want->migrated || extra == want->or_more) &&
	       moved->released - want->released == extra;
}

static bool as_excused(const struct pin_count *moved, const struct pin_predict *want)
{
	uint64_t extra = moved->acquired - want->acquired;

	return want->issue && extra <= want->migrated &&
	       moved->released - want->released == extra + want->issue_released;
}

/*
 * What only waiting can cure is a missing release: pins are taken before the
 * call that takes them returns, and counters only grow. To wait for a missing
 * acquisition would be to wait for somebody else's.
 */
static bool beyond_hope(const struct pin_count *moved, const struct pin_predict *want)
{
	uint64_t more = want->migrated > want->or_more ? want->migrated : want->or_more;
	uint64_t released = want->released + more;

	if (want->issue && want->issue_released > 0)
		released += want->issue_released;
	return moved->acquired < want->acquired ||
	       moved->acquired > want->acquired + more ||
	       moved->released > released;
}

/* The total less the sum of the nodes: 0, or what nodes now offline have had. */
struct pin_count pin_node_gap(const struct pin_counters *c,
			      const struct pin_snapshot *now)
{
	struct pin_count gap = now->total;

	for (int i = 0; i < c->nr_nodes; i++) {
		gap.acquired -= now->node[i].acquired;
		gap.released -= now->node[i].released;
	}
	return gap;
}

static bool nodes_agree(const struct pin_audit *au, const struct pin_snapshot *now)
{
	const struct pin_counters *c = &au->suite->counters;
	struct pin_count there, gap;

	if (!c->nr_nodes || c->own)
		return true;
	for (int i = 0; i < c->nr_nodes; i++) {
		there = moved_since(&au->base.node[i], &now->node[i]);
		if (au->node >= 0 && c->node_id[i] != au->node &&
		    (there.acquired || there.released))
			return false;
	}
	gap = pin_node_gap(c, now);
	return !memcmp(&gap, &au->suite->node_gap, sizeof(gap));
}

static void describe_difference(struct pin_audit *au, const char *what,
				const struct pin_predict *want,
				const struct pin_snapshot *now,
				const struct pin_count *moved, uint64_t lag_ns)
{
	const struct pin_counters *c = &au->suite->counters;
	struct pin_count n;

	pin_audit_note(au, "%s: predicted +%llu acquired +%llu released%s, measured %+lld %+lld (pages), %.1f ms after",
		       what, (unsigned long long)want->acquired,
		       (unsigned long long)want->released,
		       want->migrated ? " (or both more by migration)" : "",
		       (long long)moved->acquired, (long long)moved->released,
		       lag_ns / 1e6);
	for (int i = 0; i < c->nr_nodes && !c->own; i++) {
		n = moved_since(&au->base.node[i], &now->node[i]);
		pin_audit_note(au, "%s: node %d: %+lld acquired %+lld released%s", what,
			       c->node_id[i], (long long)n.acquired, (long long)n.released,
			       au->node == c->node_id[i] ? " (the node of the pages)" : "");
	}
	n = pin_node_gap(c, now);
	if (c->nr_nodes && !c->own && memcmp(&n, &au->suite->node_gap, sizeof(n)))
		pin_audit_note(au, "%s: the nodes add up to %+lld acquired and %+lld released against the total",
			       what, (long long)(au->suite->node_gap.acquired - n.acquired),
			       (long long)(au->suite->node_gap.released - n.released));
	pin_audit_note(au, "%s: outstanding since the start of the program: %+lld pages",
		       what, (long long)(pin_outstanding(&now->total) -
					 pin_outstanding(&au->suite->start.total)));
}

/* An attempt that is lost need not be waited for as long. */
static uint64_t patience(const struct pin_audit *au)
{
	const bool lost = au->mismatch || au->verdict == PIN_FAIL;

	return lost && au->suite->drain_ns > LOST_NS ? LOST_NS : au->suite->drain_ns;
}

void pin_check_vmpin(struct pin_audit *au, const char *what,
		     const struct pin_predict *want, pid_t pid)
{
	long kib_per_page = au->suite->kernel.page_size / 1024;
	uint64_t deadline = pin_now_ns() + patience(au);
	long predicted = want->vmpin * kib_per_page, change;
	struct pin_statement st;

	/* The statement may be updated after the counters, by a worker. */
	for (;;) {
		if (pin_statement_read(pid, &st)) {
			au->vmpin_pid = 0;
			return;
		}
		change = st.vmpin_kib - au->vmpin_kib;
		if (au->vmpin_pid != pid || change == predicted ||
		    pin_now_ns() > deadline)
			break;
		pin_sleep_ns(MS / 5);
	}
	if (au->vmpin_pid == pid) {
		if (change != predicted)
			pin_audit_fail(au, "%s: VmPin of the process changed by %+ld kB, predicted %+ld kB",
				       what, change, predicted);
	}
	au->vmpin_pid = pid;
	au->vmpin_kib = st.vmpin_kib;
}

/* The step of a machine where the counters can't be flushed: sum it up. */
static bool step_unread(struct pin_audit *au, const char *what,
			const struct pin_predict *want, long result)
{
	const struct pin_count unknown = { 0, 0 };

	if (want->issue)
		au->predicted.released += want->issue_released;
	au->migrated += want->migrated;
	pin_record_step(au->record, what, want, result, &unknown, 0);
	return true;
}

bool pin_audit_step(struct pin_audit *au, const char *what,
		    const struct pin_predict *want, long result, pid_t pid)
{
	struct pin_suite *s = au->suite;
	uint64_t start = pin_now_ns(), pause = 100000;
	struct pin_snapshot now;
	struct pin_count moved;
	const uint64_t late_ns = want->late_ms * MS;
	const uint64_t wait_ns = late_ns > patience(au) ? late_ns : patience(au);
	bool right, excused, as_told;

	pin_klog_read(&s->klog);
	au->predicted.acquired += want->acquired;
	au->predicted.released += want->released;
	as_told = result == want->result || result == want->or_result;
	if (!as_told)
		pin_audit_fail(au, "%s: returned %ld%s%s, predicted %ld%s%s", what, result,
			       result < 0 ? " " : "", result < 0 ? strerror(-result) : "",
			       want->result, want->result < 0 ? " " : "",
			       want->result < 0 ? strerror(-want->result) : "");
	if (!pin_counters_exact(&s->counters)) {
		if (pid)
			pin_check_vmpin(au, what, want, pid);
		return step_unread(au, what, want, result) && as_told;
	}

	for (;;) {
		if (pin_counters_read_total(&s->counters, &now)) {
			pin_audit_fail(au, "%s: the counters cannot be read", what);
			return false;
		}
		moved = moved_since(&au->base.total, &now.total);
		right = as_predicted(&moved, want);
		excused = right ? want->issue_foretold : as_excused(&moved, want);
		if (right || excused || beyond_hope(&moved, want) ||
		    now.ns - start > wait_ns || pin_interrupted)
			break;
		pin_sleep_ns(pause);
		if (pause < 2 * MS)
			pause *= 2;
	}
	/*
	 * Where the total did not move no node did, as they only grow. If one did
	 * all the same, the next step that moves pages shows it, or the last read.
	 */
	if (!moved.acquired && !moved.released) {
		memcpy(now.node, au->base.node, sizeof(now.node));
	} else if (pin_counters_read_nodes(&s->counters, &now)) {
		pin_audit_fail(au, "%s: the counters of nodes cannot be read", what);
		return false;
	}
	pin_record_step(au->record, what, want, result, &moved, now.ns - start);
	/* Migrated for a long-term pin: to whatever node had room. */
	if (right && want->migrated && moved.acquired != want->acquired)
		au->node = -1;
	if (right && !nodes_agree(au, &now)) {
		right = false;
		excused = false;
	}
	if (excused) {
		au->excused = true;
		pin_audit_note(au, "%s: +%llu acquired +%llu released: known issue %s: %s",
			       what, (unsigned long long)moved.acquired,
			       (unsigned long long)moved.released,
			       want->issue->id, want->issue->reason);
	} else if (!right) {
		au->mismatch = true;
		au->off.acquired += moved.acquired - want->acquired;
		au->off.released += moved.released - want->released;
		describe_difference(au, what, want, &now, &moved, now.ns - start);
	}
	s->explained.acquired += moved.acquired;
	s->explained.released += moved.released;
	au->base = now;
	if (pid && (right || excused))
		pin_check_vmpin(au, what, want, pid);
	return as_told && (right || excused);
}
