// SPDX-License-Identifier: GPL-2.0
/*
 * What did a run say? Reads its KTAP, checks that it is complete, and prints
 * what failed and why, what was skipped or could not be judged, and the counts.
 */
#include <argp.h>
#include <ctype.h>
#include <err.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "ktap.h"

enum verdict {
	VERDICT_PASS = 0,
	VERDICT_FAIL = 1,
	VERDICT_USAGE = 2,
	VERDICT_INCONCLUSIVE = 4,
};

/* Tests with the same result and the same reason, up to its numbers. */
struct group {
	const struct ktap_test *first;
	unsigned int nr;
};

struct report {
	struct ktap_test **runs;
	size_t nr_runs;
	unsigned int count[KTAP_NR_RESULTS];
	bool interrupted;
	struct group *groups;
	size_t nr_groups;
};

struct options {
	char **paths;
	int nr_paths;
	bool json;
};

static const struct argp_option argp_options[] = {
	{ "text", 't', NULL, 0, "print a summary (default)", 0 },
	{ "json", 'j', NULL, 0, "print everything as JSON", 0 },
	{}
};

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
	struct options *options = state->input;

	switch (key) {
	case 't':
		options->json = false;
		return 0;
	case 'j':
		options->json = true;
		return 0;
	case ARGP_KEY_ARGS:
		options->paths = state->argv + state->next;
		options->nr_paths = state->argc - state->next;
		return 0;
	case ARGP_KEY_NO_ARGS:
		argp_error(state, "name a results folder, a KTAP file, or -");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp argp = {
	.options = argp_options,
	.parser = parse_option,
	.args_doc = "PATH...",
	.doc = "Summarise test runs. PATH is a folder below results/, a file of KTAP, "
	       "or - for standard input.\v"
	       "The last line is \"N passed, N failed, N skipped\". Known issues "
	       "count as passed, tests that could not be judged as skipped. Exit "
	       "status: 0 passed, 1 something failed or the KTAP is incomplete, "
	       "2 wrong usage, 4 nothing failed, but something could not be judged "
	       "or nothing was run.",
};

static void *grow(void *array, size_t nr, size_t size)
{
	array = reallocarray(array, nr, size);
	if (!array)
		err(VERDICT_FAIL, "out of memory");
	return array;
}

/* Reasons that differ in nothing but numbers are one reason. */
static bool same_reason(const char *a, const char *b)
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

static void add_to_group(struct report *report, const struct ktap_test *test)
{
	struct group *group = report->groups;

	for (size_t i = 0; i < report->nr_groups; i++, group++) {
		if (group->first->result == test->result &&
		    same_reason(group->first->reason, test->reason)) {
			group->nr++;
			return;
		}
	}
	report->groups = grow(report->groups, report->nr_groups + 1,
			      sizeof(*report->groups));
	report->groups[report->nr_groups++] = (struct group){ test, 1 };
}

static bool is_interrupted(const struct ktap_test *test)
{
	return test->bailout && !strncasecmp(test->bailout, "interrupted", 11);
}

static void count(struct report *report, const struct ktap_test *test)
{
	if (ktap_is_leaf(test)) {
		report->count[test->result]++;
		if (test->result != KTAP_PASS && test->result != KTAP_FAIL)
			add_to_group(report, test);
		return;
	}
	report->count[KTAP_FAIL] += test->problems.nr;
	if (is_interrupted(test))
		report->interrupted = true;
	else if (test->bailout)
		report->count[KTAP_FAIL]++;
	for (const struct ktap_test *t = test->sub; t; t = t->next)
		count(report, t);
}

static enum verdict verdict(const struct report *report)
{
	if (report->count[KTAP_FAIL] || report->interrupted)
		return VERDICT_FAIL;
	if (report->count[KTAP_INCONCLUSIVE])
		return VERDICT_INCONCLUSIVE;
	if (!report->count[KTAP_PASS] && !report->count[KTAP_XFAIL])
		return VERDICT_INCONCLUSIVE;
	return VERDICT_PASS;
}

static void print_lines(const char *prefix, const struct ktap_lines *lines)
{
	for (size_t i = 0; i < lines->nr; i++)
		printf("%s%s\n", prefix, lines->line[i]);
}

/* With what it is part of: "pin_accounting:fork_test fork.anonymous". */
static void print_name(const struct ktap_test *test)
{
	if (test->parent && *test->parent->name) {
		print_name(test->parent);
		putchar(' ');
	}
	fputs(*test->name ? test->name : "the run", stdout);
}

static void print_failures(const struct ktap_test *test)
{
	bool gave_up = test->bailout && !is_interrupted(test);

	for (const struct ktap_test *t = test->sub; t; t = t->next)
		print_failures(t);

	if (test->problems.nr || gave_up ||
	    (ktap_is_leaf(test) && test->result == KTAP_FAIL)) {
		printf("FAILED ");
		print_name(test);
		putchar('\n');
		print_lines("    ", &test->problems);
		if (gave_up)
			printf("    gave up: %s\n", test->bailout);
		if (*test->reason)
			printf("    %s\n", test->reason);
		print_lines("    ", &test->diag);
	}
}

static void print_groups(const struct report *report, enum ktap_result result,
			 const char *title)
{
	unsigned int nr;

	if (!report->count[result])
		return;
	printf("%s: %u\n", title, report->count[result]);
	for (size_t i = 0; i < report->nr_groups; i++) {
		const struct ktap_test *first = report->groups[i].first;

		if (first->result != result)
			continue;
		nr = report->groups[i].nr;
		printf("%6u  %s (", nr,
		       *first->reason ? first->reason : "no reason given");
		print_name(first);
		puts(nr > 1 ? ", ...)" : ")");
	}
}

static void print_inconclusive(const struct report *report)
{
	for (size_t i = 0; i < report->nr_groups; i++) {
		const struct group *group = &report->groups[i];

		if (group->first->result == KTAP_INCONCLUSIVE)
			printf("INCONCLUSIVE: %u test%s could not be judged: %s\n",
			       group->nr, group->nr == 1 ? "" : "s",
			       group->first->reason);
	}
}

static void print_text(const struct report *report)
{
	const unsigned int *n = report->count;

	for (size_t i = 0; i < report->nr_runs; i++)
		print_failures(report->runs[i]);
	print_groups(report, KTAP_XFAIL, "Known issues");
	print_groups(report, KTAP_SKIP, "Skipped");
	print_inconclusive(report);
	if (report->interrupted)
		printf("INTERRUPTED: these are not all results\n");
	printf("%u passed, %u failed, %u skipped\n",
	       n[KTAP_PASS] + n[KTAP_XFAIL], n[KTAP_FAIL],
	       n[KTAP_SKIP] + n[KTAP_INCONCLUSIVE]);
}

/* What a dying program prints need not be UTF-8. */
static json_t *json_text(const char *text)
{
	json_t *json = json_string(text);
	char *copy;

	if (json)
		return json;
	copy = strdup(text);
	if (!copy)
		err(VERDICT_FAIL, "out of memory");
	for (char *p = copy; *p; p++)
		if (!isascii(*p))
			*p = '?';
	json = json_string(copy);
	free(copy);
	return json;
}

static void set_lines(json_t *object, const char *key,
		      const struct ktap_lines *lines)
{
	json_t *array = json_array();

	for (size_t i = 0; i < lines->nr; i++)
		json_array_append_new(array, json_text(lines->line[i]));
	json_object_set_new(object, key, array);
}

static json_t *json_test(const struct ktap_test *test)
{
	json_t *object = json_object();
	json_t *array;

	json_object_set_new(object, "name", json_text(test->name));
	if (*test->reason)
		json_object_set_new(object, "reason", json_text(test->reason));
	if (test->diag.nr)
		set_lines(object, "diagnostics", &test->diag);
	if (ktap_is_leaf(test)) {
		json_object_set_new(object, "result",
				    json_string(ktap_result_name(test->result)));
		return object;
	}
	if (test->problems.nr)
		set_lines(object, "problems", &test->problems);
	if (test->bailout)
		json_object_set_new(object, "bailout", json_text(test->bailout));
	array = json_array();
	for (const struct ktap_test *t = test->sub; t; t = t->next)
		json_array_append_new(array, json_test(t));
	json_object_set_new(object, "tests", array);
	return object;
}

static void print_json(const struct report *report, char **paths)
{
	static const char *const verdicts[] = {
		[VERDICT_PASS] = "pass",
		[VERDICT_FAIL] = "fail",
		[VERDICT_INCONCLUSIVE] = "inconclusive",
	};
	json_t *object = json_object();
	json_t *counts = json_object();
	json_t *runs = json_array();

	for (int i = 0; i < KTAP_NR_RESULTS; i++)
		json_object_set_new(counts, ktap_result_name(i),
				    json_integer(report->count[i]));
	for (size_t i = 0; i < report->nr_runs; i++) {
		json_t *run = json_test(report->runs[i]);

		json_object_set_new(run, "name", json_text(paths[i]));
		json_array_append_new(runs, run);
	}
	json_object_set_new(object, "verdict",
			    json_string(verdicts[verdict(report)]));
	json_object_set_new(object, "interrupted",
			    json_boolean(report->interrupted));
	json_object_set_new(object, "counts", counts);
	json_object_set_new(object, "runs", runs);
	if (json_dumpf(object, stdout, JSON_INDENT(1)))
		errx(VERDICT_FAIL, "cannot write the report");
	putchar('\n');
	json_decref(object);
}

/* Only one of several runs needs a name. */
static const char *run_name(char *path, const struct report *report)
{
	size_t len = strlen(path);

	if (report->nr_runs == 1)
		return "";
	while (len > 1 && path[len - 1] == '/')
		path[--len] = '\0';
	return basename(path);
}

static FILE *open_run(const char *path)
{
	struct stat st;
	char *log;
	FILE *in;

	if (!strcmp(path, "-"))
		return stdin;
	if (asprintf(&log, "%s/ktap.log", path) < 0)
		err(VERDICT_FAIL, "out of memory");
	if (!stat(path, &st) && S_ISDIR(st.st_mode))
		path = log;
	in = fopen(path, "re");
	if (!in)
		err(VERDICT_USAGE, "%s", path);
	free(log);
	return in;
}

int main(int argc, char **argv)
{
	static struct report report;
	struct options options = {};
	FILE *in;

	argp_err_exit_status = VERDICT_USAGE;
	argp_parse(&argp, argc, argv, 0, NULL, &options);

	report.nr_runs = options.nr_paths;
	report.runs = grow(NULL, report.nr_runs, sizeof(*report.runs));
	for (size_t i = 0; i < report.nr_runs; i++) {
		in = open_run(options.paths[i]);
		report.runs[i] =
			ktap_parse(in, run_name(options.paths[i], &report));
		if (in != stdin)
			fclose(in);
		count(&report, report.runs[i]);
	}

	if (options.json)
		print_json(&report, options.paths);
	else
		print_text(&report);
	if (fflush(stdout) || ferror(stdout))
		err(VERDICT_FAIL, "cannot write the report");
	return verdict(&report);
}
