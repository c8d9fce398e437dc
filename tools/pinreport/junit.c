// SPDX-License-Identifier: GPL-2.0
/*
 * JUnit XML as CI systems read it: a program is a suite. Names do not depend on
 * when or where it ran. Known issues pass, what could not be judged is skipped,
 * and what is wrong with the KTAP of a program is an error.
 */
#include <stdlib.h>
#include <string.h>

#include "report.h"

struct counts {
	unsigned int tests, failures, errors, skipped;
};

static void count_cases(struct counts *counts, const struct ktap_test *test, bool deep)
{
	unsigned int errors = test->problems.nr + !!test->bailout;

	if (ktap_is_leaf(test)) {
		counts->tests++;
		counts->failures += test->result == KTAP_FAIL;
		counts->skipped += test->result == KTAP_SKIP ||
				   test->result == KTAP_INCONCLUSIVE;
		return;
	}
	counts->tests += errors;
	counts->errors += errors;
	for (int i = 0; i < KTAP_NR_RESULTS; i++) {
		counts->tests += test->unnamed[i];
		counts->failures += i == KTAP_FAIL ? test->unnamed[i] : 0;
		counts->skipped += i == KTAP_SKIP || i == KTAP_INCONCLUSIVE ?
					   test->unnamed[i] : 0;
	}
	for (const struct ktap_test *t = test->sub; t && deep; t = t->next)
		count_cases(counts, t, true);
}

static void put_counts(FILE *out, const struct counts *counts)
{
	fprintf(out, " tests=\"%u\" failures=\"%u\" errors=\"%u\" skipped=\"%u\">\n",
		counts->tests, counts->failures, counts->errors, counts->skipped);
}

/* "pin_accounting:fork_test" is a class of "pin_accounting". */
static char *class_name(const char *run, const char *suite)
{
	char *name = *run && *suite ? format("%s.%s", run, suite) :
				      format("%s%s", run, suite);

	for (char *colon = name; (colon = strchr(colon, ':'));)
		*colon = '.';
	return name;
}

static void put_attribute(FILE *out, const char *name, const char *value)
{
	fprintf(out, " %s=\"", name);
	for (const char *line; (line = strpbrk(value, "\n\t")); value = line + 1) {
		char *part = format("%.*s ", (int)(line - value), value);

		put_escaped(out, part);
		free(part);
	}
	put_escaped(out, value);
	putc('"', out);
}

static void put_case(FILE *out, const char *class, const char *name)
{
	fputs("  <testcase", out);
	put_attribute(out, "classname", *class ? class : "tests");
	put_attribute(out, "name", name);
	putc('>', out);
}

static void put_text(FILE *out, const struct ktap_lines *lines)
{
	for (size_t i = 0; i < lines->nr; i++) {
		put_escaped(out, lines->line[i]);
		putc('\n', out);
	}
}

/* "predicted ..., measured ..." tells more than the result line. */
static const char *message(const struct ktap_test *test)
{
	if (*test->reason)
		return test->reason;
	return test->diag.nr ? test->diag.line[0] : "failed";
}

static void put_leaf(FILE *out, const char *class, const char *name,
		     const struct ktap_test *test)
{
	put_case(out, class, name);
	switch (test->result) {
	case KTAP_FAIL:
		fputs("<failure", out);
		put_attribute(out, "message", message(test));
		putc('>', out);
		put_text(out, &test->diag);
		fputs("</failure>", out);
		break;
	case KTAP_SKIP:
	case KTAP_INCONCLUSIVE:
		fputs("<skipped message=\"", out);
		if (test->result == KTAP_INCONCLUSIVE &&
		    strncmp(test->reason, "inconclusive", 12))
			fputs("inconclusive: ", out);
		put_escaped(out, test->reason);
		fputs("\"/>", out);
		break;
	case KTAP_XFAIL:
		fputs("<system-out>known issue: ", out);
		put_escaped(out, test->reason);
		fputs("</system-out>", out);
		break;
	default:
		break;
	}
	fputs("</testcase>\n", out);
}

static void put_error(FILE *out, const char *class, const char *name, size_t number,
		      const char *text, const struct ktap_test *test)
{
	char *unique = format("%s%s%zu", name, *name ? " " : "", number);

	put_case(out, class, unique);
	fputs("<error", out);
	put_attribute(out, "message", text);
	putc('>', out);
	put_text(out, &test->diag);
	fputs("</error></testcase>\n", out);
	free(unique);
}

/* @name: that of @test below its class. */
static void put_cases(FILE *out, const char *class, const char *name,
		      const struct ktap_test *test, bool deep)
{
	if (ktap_is_leaf(test)) {
		put_leaf(out, class, name, test);
		return;
	}
	for (size_t i = 0; i < test->problems.nr; i++)
		put_error(out, class, *name ? name : "run", i + 1, test->problems.line[i],
			  test);
	if (test->bailout)
		put_error(out, class, *name ? name : "bail-out", test->problems.nr + 1,
			  test->bailout, test);
	/* Passed, or why not is nowhere told: only a matrix.json has such. */
	for (int i = 0; i < KTAP_NR_RESULTS; i++) {
		for (unsigned int n = 0; n < test->unnamed[i]; n++) {
			char *unnamed = format("(%s %u)", ktap_result_name(i), n + 1);
			struct ktap_test *one = ktap_add(NULL, unnamed, i, "");

			put_leaf(out, class, unnamed, one);
			free(one);
			free(unnamed);
		}
	}
	for (const struct ktap_test *t = test->sub; t && deep; t = t->next) {
		char *below = *name ? format("%s %s", name, t->name) :
				      format("%s", t->name);

		put_cases(out, class, below, t, true);
		free(below);
	}
}

static const char *name_of_case(const struct ktap_test *test)
{
	if (!ktap_is_leaf(test))
		return "";
	return *test->name ? test->name : "run";
}

static void put_suite(FILE *out, const struct run *run, const char *suite,
		      const struct ktap_test *const *tests, size_t nr, bool deep)
{
	char *class = class_name(run->name, suite);
	struct counts counts = {};

	for (size_t i = 0; i < nr; i++)
		count_cases(&counts, tests[i], deep);
	if (counts.tests) {
		fputs(" <testsuite", out);
		put_attribute(out, "name", *class ? class : "tests");
		put_counts(out, &counts);
		if (run->kernel) {
			fputs("  <properties><property name=\"kernel\"", out);
			put_attribute(out, "value", run->kernel);
			fputs("/></properties>\n", out);
		}
		for (size_t i = 0; i < nr; i++)
			put_cases(out, class, name_of_case(tests[i]), tests[i], deep);
		fputs(" </testsuite>\n", out);
	}
	free(class);
}

static void put_run(FILE *out, const struct run *run)
{
	const struct ktap_test *root = run->tests, **loose = NULL;
	size_t nr = 0;

	/* Tests in no program, and what is wrong with the run as a whole. */
	if (!ktap_is_leaf(root)) {
		loose = grow(loose, ++nr, sizeof(*loose));
		loose[0] = root;
	}
	for (const struct ktap_test *t = root->sub; t; t = t->next) {
		if (!ktap_is_leaf(t))
			continue;
		loose = grow(loose, ++nr, sizeof(*loose));
		loose[nr - 1] = t;
	}
	if (ktap_is_leaf(root)) {
		loose = grow(loose, ++nr, sizeof(*loose));
		loose[nr - 1] = root;
	}
	put_suite(out, run, "", loose, nr, false);
	free(loose);
	for (const struct ktap_test *t = root->sub; t; t = t->next) {
		if (!ktap_is_leaf(t))
			put_suite(out, run, t->name, &t, 1, true);
	}
}

void print_junit(FILE *out, const struct report *report)
{
	struct counts counts = {};

	for (size_t i = 0; i < report->nr_runs; i++)
		count_cases(&counts, report->runs[i].tests, true);
	fputs("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"pin-accounting\"",
	      out);
	put_counts(out, &counts);
	for (size_t i = 0; i < report->nr_runs; i++)
		put_run(out, &report->runs[i]);
	fputs("</testsuites>\n", out);
}
