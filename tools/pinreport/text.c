// SPDX-License-Identifier: GPL-2.0
/* The summary for people. */
#include <stdlib.h>

#include "report.h"

static void print_lines(FILE *out, const char *prefix, const struct ktap_lines *lines)
{
	for (size_t i = 0; i < lines->nr; i++)
		fprintf(out, "%s%s\n", prefix, lines->line[i]);
}

static void print_failures(FILE *out, const struct ktap_test *test)
{
	char *name;

	for (const struct ktap_test *t = test->sub; t; t = t->next)
		print_failures(out, t);

	if (!is_failure(test))
		return;
	name = full_name(test);
	fprintf(out, "FAILED %s\n", name);
	free(name);
	print_lines(out, "    ", &test->problems);
	if (test->bailout && !is_interrupted(test))
		fprintf(out, "    gave up: %s\n", test->bailout);
	if (*test->reason)
		fprintf(out, "    %s\n", test->reason);
	print_lines(out, "    ", &test->diag);
}

static void print_groups(FILE *out, const struct report *report, enum ktap_result result,
			 const char *title)
{
	if (!report->count[result])
		return;
	fprintf(out, "%s: %u\n", title, report->count[result]);
	for (size_t i = 0; i < report->nr_groups; i++) {
		const struct group *group = &report->groups[i];
		const struct ktap_test *first = group->first;
		char *name;

		if (first->result != result)
			continue;
		name = full_name(first);
		fprintf(out, "%6u  %s (%s%s)\n", group->nr,
			*first->reason ? first->reason : "no reason given", name,
			group->nr > 1 ? ", ..." : "");
		free(name);
	}
}

static void print_inconclusive(FILE *out, const struct report *report)
{
	for (size_t i = 0; i < report->nr_groups; i++) {
		const struct group *group = &report->groups[i];

		if (group->first->result == KTAP_INCONCLUSIVE)
			fprintf(out, "INCONCLUSIVE: %u test%s could not be judged: %s\n",
				group->nr, group->nr == 1 ? "" : "s", group->first->reason);
	}
}

static void print_stress(FILE *out, const struct run *run)
{
	const struct stress *stress = run->stress;
	char *elapsed = span(stress->elapsed);

	fprintf(out, "%s: pinstress on %s: %s: %s\n", run->path, stress->kernel ?: "?",
		stress->ended && stress->verdict ? stress->verdict : "NO END",
		run->tests->sub->reason);
	fprintf(out, "    %.0f calls that pin in %s, %lu checkpoints:",
		stress->operations, elapsed, stress_nr_checkpoints(stress));
	for (int i = 0; i < STRESS_NR_VERDICTS; i++)
		fprintf(out, " %lu %s%s", stress->checkpoints[i], stress_verdict_names[i],
			i < STRESS_NR_VERDICTS - 1 ? "," : "\n");
	print_lines(out, "    ", &run->tests->diag);
	if (stress->job)
		fprintf(out, "    again: pinstress %s\n", stress->job);
	free(elapsed);
}

void print_text(FILE *out, const struct report *report)
{
	const unsigned int *n = report->count;

	for (size_t i = 0; i < report->nr_runs; i++) {
		if (report->runs[i].stress)
			print_stress(out, &report->runs[i]);
	}
	for (size_t i = 0; i < report->nr_runs; i++)
		print_failures(out, report->runs[i].tests);
	print_groups(out, report, KTAP_XFAIL, "Known issues");
	print_groups(out, report, KTAP_SKIP, "Skipped");
	print_inconclusive(out, report);
	if (report->interrupted)
		fprintf(out, "INTERRUPTED: these are not all results\n");
	fprintf(out, "%u passed, %u failed, %u skipped\n", n[KTAP_PASS] + n[KTAP_XFAIL],
		n[KTAP_FAIL], n[KTAP_SKIP] + n[KTAP_INCONCLUSIVE]);
}
