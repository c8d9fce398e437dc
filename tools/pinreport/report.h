/* SPDX-License-Identifier: GPL-2.0 */
#ifndef PINREPORT_REPORT_H
#define PINREPORT_REPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "ktap.h"
#include "stress.h"

enum verdict {
	VERDICT_PASS = 0,
	VERDICT_FAIL = 1,
	VERDICT_USAGE = 2,
	VERDICT_INCONCLUSIVE = 4,
};

/* One run of the suite on one kernel, or one run of pinstress. */
struct run {
	const char *path;
	char *name; /* "" for the only one */
	char *kernel; /* NULL if nothing says it */
	struct ktap_test *tests;
	struct stress *stress; /* NULL if it is the suite */
};

/* Tests with the same result and the same reason, up to its numbers. */
struct group {
	const struct ktap_test *first;
	unsigned int nr;
};

struct report {
	struct run *runs;
	size_t nr_runs;
	unsigned int count[KTAP_NR_RESULTS];
	bool interrupted;
	struct group *groups;
	size_t nr_groups;
};

/* What one test came to in each run, for tables and comparisons. */
struct row {
	const char *program;
	char *name;
	/* As many as there are runs; NULL: was not there. */
	const struct ktap_test **test;
};

struct rows {
	struct row *row;
	size_t nr;
};

struct unit {
	double size;
	const char *name;
};

/* report.c */
struct unit time_unit(double seconds);
/* "3.5 hours" */
char *span(double seconds);
void *grow(void *array, size_t nr, size_t size);
char *format(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void report_count(struct report *report);
void report_count_run(struct report *report, const struct run *run);
enum verdict report_verdict(const struct report *report);
const char *verdict_name(enum verdict verdict);
/* The group a test is in, numbered from 1 on; 0 if in none. */
size_t report_group(const struct report *report, const struct ktap_test *test);
bool same_reason(const char *a, const char *b);
bool is_interrupted(const struct ktap_test *test);
/* Is it a failure of its own, beside those of its subtests? */
bool is_failure(const struct ktap_test *test);
/* With what it is part of: "pin_accounting:fork_test fork.anonymous". */
char *full_name(const struct ktap_test *test);
struct rows report_rows(const struct report *report);

/* load.c: all runs below a path, at least one. */
void load_path(struct report *report, const char *path);
/* Names for the runs, once all are there. */
void name_runs(struct report *report);

/* text.c, json.c, html.c, junit.c, compare.c */
void print_text(FILE *out, const struct report *report);
void print_json(FILE *out, const struct report *report);
json_t *json_text(const char *text);
void print_html(FILE *out, const struct report *report);
void print_junit(FILE *out, const struct report *report);
/* Both have what load_path() found; true if something is worse in @b. */
bool compare(FILE *out, const struct report *a, const struct report *b, bool json);

/* output.c */
/* For HTML and XML; what is no text there is replaced. */
void put_escaped(FILE *out, const char *text);
/* @path gets the text whole or not at all; "-" is the standard output. */
void write_file(const char *path, const char *text, size_t len);

/* plot.c: an inline SVG, by gnuplot. */
void put_plots(FILE *out, const struct stress *stress);

#endif
