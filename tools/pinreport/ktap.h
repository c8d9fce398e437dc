/* SPDX-License-Identifier: GPL-2.0 */
#ifndef PINREPORT_KTAP_H
#define PINREPORT_KTAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

enum ktap_result {
	KTAP_PASS,
	KTAP_FAIL,
	KTAP_SKIP,
	KTAP_XFAIL,
	KTAP_INCONCLUSIVE,
	KTAP_NR_RESULTS,
};

struct ktap_lines {
	char **line;
	size_t nr;
};

/*
 * A test, or a program with the tests it ran, or a whole file. A test with
 * subtests counts as these; its own result was only checked against theirs.
 */
struct ktap_test {
	struct ktap_test *parent;
	struct ktap_test *next;
	struct ktap_test *sub;
	char *name;
	/* What followed the directive, "" if nothing. */
	char *reason;
	enum ktap_result result;
	/* What was printed for it, without the leading "# ". */
	struct ktap_lines diag;
	/* What is wrong with the KTAP of its subtests: each is a failure. */
	struct ktap_lines problems;
	/* The reason of a "Bail out!", or NULL. */
	char *bailout;
};

/* Never fails: whatever is wrong with the input is in the problems. */
struct ktap_test *ktap_parse(FILE *in, const char *name);

const char *ktap_result_name(enum ktap_result result);

/* Nothing but subtests counts for a test that has some, or should have. */
static inline bool ktap_is_leaf(const struct ktap_test *test)
{
	return !test->sub && !test->problems.nr && !test->bailout;
}

#endif
