/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A test program: a list of named tests, each an audit of pins, with KTAP on
 * stdout, JSON Lines for machines, and exit codes 0 pass, 1 fail, 4 skip, 2
 * wrong usage, 130 interrupted.
 *
 * How a verdict comes about. Every reading of the counters starts where the
 * one before ended, so no movement goes unseen: it falls either into a step of
 * a test, where it is compared with the prediction, or into the gap between
 * two tests, where there must be none. A difference is tried again: the kernel
 * repeats a miscount, another program's pins do not repeat. While others pin,
 * a test passes only between two quiet windows as long as itself, and what
 * cannot be judged is reported as such: SKIP "inconclusive: ...". A leak that
 * does not repeat is a failure all the same, if nothing shows that it was
 * another program's pin.
 *
 * Without permission to flush the counters (not root) a step cannot be read
 * exactly. Then many tests are run, the counters settle once, and the sum is
 * compared; a difference is narrowed down by halves.
 */
#ifndef PIN_SUITE_H
#define PIN_SUITE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "consumer.h"
#include "counters.h"
#include "kernel_facts.h"
#include "klog.h"

struct pin_suite;
struct pin_audit;

/* What a test function returns; PIN_PASS stands only if all steps matched. */
enum pin_verdict {
	PIN_PASS,
	PIN_FAIL,
	PIN_XFAIL,
	PIN_SKIP,
	PIN_INCONCLUSIVE,
};

typedef enum pin_verdict (*pin_test_fn)(struct pin_audit *au, const void *arg);

struct pin_program {
	const char *name;	/* of the program, as in kselftest-list.txt */
	const char *doc;	/* --help: one paragraph */
	/* Add the tests: names [a-z0-9_.-], unique, stable for ever. */
	void (*add_tests)(struct pin_suite *s);
	/* Optional: before the first and after the last test. */
	void (*setup)(struct pin_suite *s);
	void (*cleanup)(struct pin_suite *s);
};

/* Runs the whole program; returns its exit code. */
int pin_suite_main(const struct pin_program *program, int argc, char **argv);

/* @arg must live as long as the suite. True if the user wants to run it. */
bool pin_suite_add(struct pin_suite *s, pin_test_fn fn, const void *arg,
		   const char *name, ...) __attribute__((format(printf, 4, 5)));

/*
 * A test whose last releases come late, such as those at process exit, in
 * three stages. Those of one @batch (consecutive tests with the same pointer)
 * wait together: each begins, each step exact, then all finish, and the sum of
 * what is to come is awaited once. If anything is wrong in a batch, its tests
 * are judged one by one.
 */
struct pin_stages {
	/* Optional: why the test is skipped. Costs nothing, not even a reading. */
	const char *(*unfit)(const void *arg);
	/* All but the last releases. Leaves *@state NULL if there are none. */
	enum pin_verdict (*begin)(struct pin_audit *au, const void *arg, void **state);
	/*
	 * Set the last releases going and say what they will be; *@pid: whose
	 * VmPin changes with them, or 0. NULL if that went wrong, else the name
	 * of the step.
	 */
	const char *(*finish)(struct pin_audit *au, void *state,
			      struct pin_predict *rest, pid_t *pid);
	/* Optional, when they have come: what has become of the pages. */
	void (*after)(struct pin_audit *au, void *state);
	void (*stop)(void *state);
};

bool pin_suite_add_staged(struct pin_suite *s, const struct pin_stages *stages,
			  const void *arg, const void *batch, const char *name, ...)
	__attribute__((format(printf, 5, 6)));

const struct pin_kernel *pin_suite_kernel(const struct pin_suite *s);
const struct pin_counters *pin_suite_counters(const struct pin_suite *s);

/* --- inside a test --- */

const struct pin_kernel *pin_audit_kernel(const struct pin_audit *au);
const struct pin_counters *pin_audit_counters(const struct pin_audit *au);

/* The last reading of the counters: exact if they can be flushed. */
const struct pin_snapshot *pin_audit_base(const struct pin_audit *au);

/*
 * Compare everything since the last step with @want, waiting for late
 * releases until the deadline. @result is what the call returned. @pid: whose
 * VmPin must have changed by want->vmpin since the last step with that pid,
 * or 0. A difference is recorded and reported; returns false then.
 */
bool pin_audit_step(struct pin_audit *au, const char *what,
		    const struct pin_predict *want, long result, pid_t pid);

/* The node all pages of this test are on, or -1: any. Set before a step. */
void pin_audit_expect_node(struct pin_audit *au, int node_id);

/*
 * For tests of nothing but @what, which pintrace's books do not have: true if these
 * are read, as other programs pin. The test is to return PIN_SKIP.
 */
bool pin_audit_not_in_own(struct pin_audit *au, const char *what);

/* Take the VmPin of @pid as the starting point of its next step. */
void pin_audit_base_vmpin(struct pin_audit *au, pid_t pid);

/* Anything else that is wrong: recorded, returns PIN_FAIL. */
enum pin_verdict pin_audit_fail(struct pin_audit *au, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
enum pin_verdict pin_audit_skip(struct pin_audit *au, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* What other programs may have done: it is wrong if it comes again in a quiet moment. */
void pin_audit_differs(struct pin_audit *au, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/*
 * Something other than a count is wrong: if a known issue of this kernel is
 * behind it the test is excused (--strict: fails), and this returns true.
 */
bool pin_audit_excuse(struct pin_audit *au, const char *consumer, const char *target);

/*
 * Is it not to be tried, for what a known issue would do to this kernel? The test
 * is excused then. (--strict: it is tried)
 */
bool pin_audit_avoid(struct pin_audit *au, const char *consumer, const char *target);

/* A line for the reader of a failure. */
void pin_audit_note(struct pin_audit *au, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/*
 * For tests of the suite itself: judge @fn as if it were a test, with that
 * much patience, without counting or printing it; the reason goes to @text.
 */
enum pin_verdict pin_suite_try(struct pin_audit *outer, pin_test_fn fn, const void *arg,
			       uint64_t quiet_wait_ns, char *text, size_t len);

/*
 * This test makes the kernel warn: a WARNING in a line that has @where, a pattern, in it
 * ("mm/gup.c") is expected, and so is the taint.
 */
void pin_audit_expect_warning(struct pin_audit *au, const char *where);

/* The same if a known issue is behind it, which it then shows. */
void pin_audit_excuse_warning(struct pin_audit *au, const char *consumer, const char *target,
			      const char *where);

/* Whatever moved since the last step was this test's own doing: start anew. */
void pin_audit_restart(struct pin_audit *au);

/* Pins others moved in @ns, nobody of ours at work: 0 on a quiet machine. */
uint64_t pin_suite_ambient(struct pin_suite *s, uint64_t ns);

#endif
