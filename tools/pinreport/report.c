// SPDX-License-Identifier: GPL-2.0
/* Counts, the verdict, and tests in rows. */
#include <ctype.h>
#include <err.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "report.h"

void *grow(void *array, size_t nr, size_t size)
{
	array = reallocarray(array, nr, size);
	if (!array)
		err(VERDICT_USAGE, "out of memory");
	return array;
}

char *format(const char *fmt, ...)
{
	char *text;
	va_list ap;

	va_start(ap, fmt);
	if (vasprintf(&text, fmt, ap) < 0)
		err(VERDICT_USAGE, "out of memory");
	va_end(ap);
	return text;
}

struct unit time_unit(double seconds)
{
	static const struct unit units[] = {
		{ 86400, "days" }, { 3600, "hours" }, { 60, "minutes" }, { 1, "seconds" },
	};
	size_t i = 0;

	while (i < 3 && seconds < 3 * units[i].size)
		i++;
	return units[i];
}

char *span(double seconds)
{
	struct unit unit = time_unit(seconds);

	return format("%.1f %s", seconds / unit.size, unit.name);
}

/* Reasons that differ in nothing but numbers are one reason. */
bool same_reason(const char *a, const char *b)
{
	while (*a && *b) {
		if (isdigit((unsigned char)*a) && isdigit((unsigned char)*b)) {
			a += strspn(a, "0123456789");
			b += strspn(b, "0123456789");
		} else if (*a++ != *b++) {
			return false;
		}
	}
	return *a == *b;
}

size_t report_group(const struct report *report, const struct ktap_test *test)
{
	const struct group *group = report->groups;

	for (size_t i = 0; i < report->nr_groups; i++, group++) {
		if (group->first->result == test->result &&
		    same_reason(group->first->reason, test->reason))
			return i + 1;
	}
	return 0;
}

static void add_to_group(struct report *report, const struct ktap_test *test)
{
	size_t i = report_group(report, test);

	if (i) {
		report->groups[i - 1].nr++;
		return;
	}
	report->groups = grow(report->groups, report->nr_groups + 1,
			      sizeof(*report->groups));
	report->groups[report->nr_groups++] = (struct group){ test, 1 };
}

bool is_interrupted(const struct ktap_test *test)
{
	return test->bailout && !strncasecmp(test->bailout, "interrupted", 11);
}

bool is_failure(const struct ktap_test *test)
{
	return test->problems.nr || (test->bailout && !is_interrupted(test)) ||
	       (ktap_is_leaf(test) && test->result == KTAP_FAIL);
}

static void count(struct report *report, const struct ktap_test *test)
{
	if (ktap_is_leaf(test)) {
		report->count[test->result]++;
		if (test->result != KTAP_PASS && test->result != KTAP_FAIL)
			add_to_group(report, test);
		return;
	}
	for (int i = 0; i < KTAP_NR_RESULTS; i++)
		report->count[i] += test->unnamed[i];
	report->count[KTAP_FAIL] += test->problems.nr;
	if (is_interrupted(test))
		report->interrupted = true;
	else if (test->bailout)
		report->count[KTAP_FAIL]++;
	for (const struct ktap_test *t = test->sub; t; t = t->next)
		count(report, t);
}

void report_count_run(struct report *report, const struct run *run)
{
	count(report, run->tests);
}

void report_count(struct report *report)
{
	for (size_t i = 0; i < report->nr_runs; i++)
		report_count_run(report, &report->runs[i]);
}

enum verdict report_verdict(const struct report *report)
{
	if (report->count[KTAP_FAIL] || report->interrupted)
		return VERDICT_FAIL;
	if (report->count[KTAP_INCONCLUSIVE])
		return VERDICT_INCONCLUSIVE;
	if (!report->count[KTAP_PASS] && !report->count[KTAP_XFAIL])
		return VERDICT_INCONCLUSIVE;
	return VERDICT_PASS;
}

const char *verdict_name(enum verdict verdict)
{
	return verdict == VERDICT_PASS ? "pass" :
	       verdict == VERDICT_FAIL ? "fail" : "inconclusive";
}

char *full_name(const struct ktap_test *test)
{
	const char *name = *test->name ? test->name : "the run";
	char *parent, *text;

	if (!test->parent || (!*test->parent->name && !test->parent->parent))
		return format("%s", name);
	parent = full_name(test->parent);
	text = format("%s %s", parent, name);
	free(parent);
	return text;
}

/* What is under one name in a run: the worst of it. */
struct entry {
	const char *program;
	char *name;
	size_t run, order;
	const struct ktap_test *test;
};

struct entries {
	struct entry *entry;
	size_t nr, room;
};

static void add_entry(struct entries *entries, const struct entry *entry)
{
	if (entries->nr == entries->room) {
		entries->room = entries->room ? 2 * entries->room : 1024;
		entries->entry = grow(entries->entry, entries->room, sizeof(*entry));
	}
	entries->entry[entries->nr] = *entry;
	entries->entry[entries->nr].order = entries->nr;
	entries->nr++;
}

/* @name is that of @test below its program, NULL for the program itself. */
static void add_tests(struct entries *entries, size_t run, const char *program,
		      const char *name, const struct ktap_test *test)
{
	struct entry entry = { program, format("%s", name ?: ""), run, 0, test };

	if (ktap_is_leaf(test) || is_failure(test) || is_interrupted(test))
		add_entry(entries, &entry);
	else
		free(entry.name);
	for (const struct ktap_test *t = test->sub; t; t = t->next) {
		char *below = name ? format("%s %s", name, t->name) : NULL;

		add_tests(entries, run, program, below ?: t->name, t);
		free(below);
	}
}

static int by_name(const void *a, const void *b)
{
	const struct entry *x = a, *y = b;
	int diff = strverscmp(x->program, y->program);

	if (!diff)
		diff = strverscmp(x->name, y->name);
	return diff ?: x->order < y->order ? -1 : x->order > y->order;
}

static bool is_worse(const struct ktap_test *a, const struct ktap_test *b)
{
	static const int rank[] = {
		[KTAP_PASS] = 0, [KTAP_XFAIL] = 1, [KTAP_SKIP] = 2,
		[KTAP_INCONCLUSIVE] = 3, [KTAP_FAIL] = 4,
	};

	return is_failure(a) != is_failure(b) ? is_failure(a) :
						rank[a->result] > rank[b->result];
}

struct rows report_rows(const struct report *report)
{
	struct entries entries = {};
	struct rows rows = {};
	struct row *row = NULL;

	for (size_t i = 0; i < report->nr_runs; i++) {
		const struct ktap_test *root = report->runs[i].tests;

		for (const struct ktap_test *t = root->sub; t; t = t->next) {
			if (ktap_is_leaf(t))
				add_tests(&entries, i, "", t->name, t);
			else
				add_tests(&entries, i, t->name, NULL, t);
		}
		if (ktap_is_leaf(root) || is_failure(root) || is_interrupted(root)) {
			struct entry entry = { "", format("(the run itself)"), i, 0, root };

			add_entry(&entries, &entry);
		}
	}
	qsort(entries.entry, entries.nr, sizeof(*entries.entry), by_name);
	rows.row = grow(NULL, entries.nr + 1, sizeof(*rows.row));
	for (size_t i = 0; i < entries.nr; i++) {
		const struct entry *entry = &entries.entry[i];

		if (!row || strcmp(row->program, entry->program) ||
		    strcmp(row->name, entry->name)) {
			row = &rows.row[rows.nr++];
			*row = (struct row){ entry->program, entry->name, NULL };
			row->test = grow(NULL, report->nr_runs, sizeof(*row->test));
			memset(row->test, 0, report->nr_runs * sizeof(*row->test));
		}
		if (!row->test[entry->run] ||
		    is_worse(entry->test, row->test[entry->run]))
			row->test[entry->run] = entry->test;
	}
	free(entries.entry);
	return rows;
}
