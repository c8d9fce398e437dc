// SPDX-License-Identifier: GPL-2.0
/* Everything, for programs. */
#include <ctype.h>
#include <err.h>
#include <jansson.h>
#include <stdlib.h>

#include "report.h"

/* What a dying program prints need not be UTF-8. */
json_t *json_text(const char *text)
{
	json_t *json = json_string(text);
	char *copy;

	if (json)
		return json;
	copy = format("%s", text);
	for (char *p = copy; *p; p++)
		if (!isascii(*p))
			*p = '?';
	json = json_string(copy);
	free(copy);
	return json;
}

static void set_lines(json_t *object, const char *key, const struct ktap_lines *lines)
{
	json_t *array = json_array();

	for (size_t i = 0; i < lines->nr; i++)
		json_array_append_new(array, json_text(lines->line[i]));
	json_object_set_new(object, key, array);
}

static void set_text(json_t *object, const char *key, const char *text)
{
	if (text)
		json_object_set_new(object, key, json_text(text));
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

static json_t *json_totals(const struct totals *totals, bool pages)
{
	json_t *object = json_object();

	for (size_t i = 0; i < totals->nr; i++) {
		const struct total *total = &totals->total[i];
		json_t *one = json_integer(total->operations);

		if (pages)
			one = json_pack("{s:o, s:I}", "operations", one, "pages",
					(json_int_t)total->pages);
		json_object_set_new(object, total->name, one);
	}
	return object;
}

static json_t *json_stress(const struct stress *stress)
{
	json_t *object = json_object(), *checkpoints = json_object();

	set_text(object, "verdict", stress->ended ? stress->verdict : NULL);
	set_text(object, "machine", stress->machine);
	set_text(object, "job", stress->job);
	set_text(object, "reproducer", stress->reproducer);
	json_object_set_new(object, "elapsed_s", json_real(stress->elapsed));
	json_object_set_new(object, "operations", json_integer(stress->operations));
	for (int i = 0; i < STRESS_NR_VERDICTS; i++)
		json_object_set_new(checkpoints, stress_verdict_names[i],
				    json_integer(stress->checkpoints[i]));
	json_object_set_new(object, "checkpoints", checkpoints);
	json_object_set_new(object, "consumers", json_totals(&stress->consumers, true));
	json_object_set_new(object, "chaos", json_totals(&stress->chaos, false));
	return object;
}

void print_json(FILE *out, const struct report *report)
{
	json_t *object = json_object();
	json_t *counts = json_object();
	json_t *runs = json_array();

	for (int i = 0; i < KTAP_NR_RESULTS; i++)
		json_object_set_new(counts, ktap_result_name(i),
				    json_integer(report->count[i]));
	for (size_t i = 0; i < report->nr_runs; i++) {
		const struct run *run = &report->runs[i];
		json_t *one = json_test(run->tests);

		json_object_set_new(one, "name", json_text(run->path));
		set_text(one, "kernel", run->kernel);
		if (run->stress)
			json_object_set_new(one, "pinstress", json_stress(run->stress));
		json_array_append_new(runs, one);
	}
	json_object_set_new(object, "verdict",
			    json_string(verdict_name(report_verdict(report))));
	json_object_set_new(object, "interrupted", json_boolean(report->interrupted));
	json_object_set_new(object, "counts", counts);
	json_object_set_new(object, "runs", runs);
	if (json_dumpf(object, out, JSON_INDENT(1)))
		errx(VERDICT_USAGE, "cannot write the report");
	putc('\n', out);
	json_decref(object);
}
