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
	struct ktap_test *last_sub;
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
	/* More subtests, of which nothing but their number is known. */
	unsigned int unnamed[KTAP_NR_RESULTS];
	bool counted;
};

/* Never fails: whatever is wrong with the input is in the problems. */
struct ktap_test *ktap_parse(FILE *in, const char *name);

const char *ktap_result_name(enum ktap_result result);

/* For what is told otherwise than by KTAP. @parent may be NULL. */
struct ktap_test *ktap_add(struct ktap_test *parent, const char *name,
			   enum ktap_result result, const char *reason);
void ktap_append(struct ktap_test *parent, struct ktap_test *test);
void ktap_add_line(struct ktap_lines *lines, const char *text);
void ktap_problem(struct ktap_test *test, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
/* All that is below @from goes below @to, which had the other part of it. */
void ktap_merge(struct ktap_test *to, struct ktap_test *from);

/* Nothing but subtests counts for a test that has some, or should have. */
static inline bool ktap_is_leaf(const struct ktap_test *test)
{
	return !test->sub && !test->problems.nr && !test->bailout &&
	       !test->counted;
}

#endif
