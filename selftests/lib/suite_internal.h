/* SPDX-License-Identifier: GPL-2.0 */
/* What suite.c (the frame), judge.c (verdicts) and audit.c (steps) share. */
#ifndef PIN_SUITE_INTERNAL_H
#define PIN_SUITE_INTERNAL_H

#include <signal.h>

#include "foreign.h"
#include "record.h"
#include "suite.h"

#define MS		1000000ull
#define LOST_NS		(200 * MS)	/* to wait for more where an attempt is lost */
#define TEXT_LEN	8192
#define QUIET_START_MS	50	/* others' pins are looked for that long */

struct pin_test {
	char name[96];
	pin_test_fn fn;
	const struct pin_stages *stages;	/* instead of fn */
	const void *arg;
	const void *batch;
	bool unlisted;		/* pin_suite_try(): leaves no record */
	enum pin_verdict verdict;
	char *text;		/* diagnostics, one per line; first the reason */
};

struct pin_suite {
	const struct pin_program *program;
	struct pin_counters counters;
	struct pin_kernel kernel;
	struct pin_klog klog;
	int helper_fd;		/* for the page view, < 0: none */
	struct pin_test *tests;
	unsigned int nr_tests, room;

	/* options */
	const char *json;
	const char **patterns;
	bool list, strict, verbose, one_by_one, attribute;
	unsigned int part, parts;	/* from 1 on; parts 0: all */
	unsigned int max_failures;	/* 0: any number */
	uint64_t drain_ns;
	uint64_t quiet_wait_ns;	/* what is left of it */

	/* the account of the whole run */
	struct pin_snapshot start, last;
	struct pin_count explained;	/* moved inside tests, as measured */
	struct pin_count strayed;	/* moved between tests or against a prediction */
	bool alert;			/* something moved that should not */
	unsigned int pages_stuck;	/* had pins left, said the page view */
	uint64_t ambient, ambient_ns;	/* pages moved in the last look, its length */
	bool foreign_traffic;		/* and nobody of ours was at work */
	struct pin_foreign holders;	/* other programs, at the start */
	const volatile struct pin_own *own;	/* pintrace's books of us, or NULL */
	struct pin_count own_start;		/* in them, at the start */
	struct pin_count node_gap;	/* total less nodes, at the start */
	bool warned;			/* the kernel did, as it was to */
	unsigned int verdicts[PIN_INCONCLUSIVE + 1];
	unsigned int timeouts;		/* tests that failed by waiting */
};

struct pin_audit {
	struct pin_suite *suite;
	struct pin_snapshot base;
	int node;
	pid_t vmpin_pid;
	long vmpin_kib;
	bool mismatch;		/* of the counters: may be noise */
	bool excused;		/* a known issue showed */
	const char *warning;	/* that is expected in the log, or NULL */
	const struct pin_known_issue *warning_issue;	/* behind it, or NULL */
	struct pin_count off;	/* measured minus predicted, as wrapped sums */
	struct pin_count predicted;	/* sum over the steps */
	uint64_t migrated;	/* room above that */
	enum pin_verdict verdict;
	char text[TEXT_LEN];
	struct pin_record *record;
};

extern volatile sig_atomic_t pin_interrupted;

static inline struct pin_count moved_since(const struct pin_count *then,
					   const struct pin_count *now)
{
	return (struct pin_count){ now->acquired - then->acquired,
				   now->released - then->released };
}

/* audit.c */
struct pin_count pin_node_gap(const struct pin_counters *c,
			      const struct pin_snapshot *now);
void pin_audit_show_issue(struct pin_audit *au, const struct pin_known_issue *issue);
void pin_check_vmpin(struct pin_audit *au, const char *what,
		     const struct pin_predict *want, pid_t pid);

/* judge.c */
struct pin_count pin_own_count(const struct pin_suite *s);
bool pin_part_from_others(struct pin_suite *s);
void pin_run_once(struct pin_suite *s, struct pin_test *t, struct pin_audit *au);
void pin_settle_verdict(struct pin_suite *s, struct pin_test *t, struct pin_audit *au);
void pin_judge_batch(struct pin_suite *s, unsigned int lo, unsigned int hi);
void pin_judge_in_sum(struct pin_suite *s, unsigned int lo, unsigned int hi);

#endif
