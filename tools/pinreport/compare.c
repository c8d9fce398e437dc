// SPDX-License-Identifier: GPL-2.0
/* What is different in a second run, on the same or on another kernel. */
#include <err.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "report.h"

enum change {
	WORSE,
	BETTER,
	OTHERWISE,
	APPEARED,
	GONE,
	NR_CHANGES,
	SAME,
};

static const char *const change_names[] = {
	[WORSE] = "worse", [BETTER] = "better", [OTHERWISE] = "otherwise",
	[APPEARED] = "appeared", [GONE] = "gone",
};

struct difference {
	enum change change;
	const struct row *row;
	const struct ktap_test *a, *b;
};

struct comparison {
	const struct report *a, *b;
	struct difference *difference;
	size_t nr, room;
	unsigned int count[NR_CHANGES];
};

enum level { GOOD, KNOWN_ISSUE, NOT_JUDGED, BAD };

static enum level level_of(const struct ktap_test *test)
{
	static const enum level levels[] = {
		[KTAP_PASS] = GOOD, [KTAP_XFAIL] = KNOWN_ISSUE, [KTAP_SKIP] = NOT_JUDGED,
		[KTAP_INCONCLUSIVE] = NOT_JUDGED, [KTAP_FAIL] = BAD,
	};

	if (!test || is_interrupted(test))
		return NOT_JUDGED;
	return is_failure(test) ? BAD : levels[test->result];
}

/*
 * What passed and is skipped now, or not there at all, proves nothing any
 * more: that is worse. What failed and is not judged now is no better.
 */
static enum change change_of(const struct ktap_test *a, const struct ktap_test *b)
{
	enum level before = level_of(a), now = level_of(b);

	if (!a && now != BAD)
		return b ? APPEARED : SAME;
	if (!b && (before == BAD || before == NOT_JUDGED))
		return GONE;
	if (before == now)
		return a->result == b->result ? SAME : OTHERWISE;
	if (before == BAD && now == NOT_JUDGED)
		return OTHERWISE;
	return now > before ? WORSE : BETTER;
}

static void add_difference(struct comparison *c, const struct row *row,
			   const struct ktap_test *a, const struct ktap_test *b)
{
	enum change change = change_of(a, b);

	if (change == SAME)
		return;
	if (c->nr == c->room) {
		c->room = c->room ? 2 * c->room : 64;
		c->difference = grow(c->difference, c->room, sizeof(*c->difference));
	}
	c->difference[c->nr++] = (struct difference){ change, row, a, b };
	c->count[change]++;
}

/* The run of @report to be compared with @run: the only one, or of that name. */
static const struct run *partner(const struct report *report, const struct report *of,
				 const struct run *run)
{
	if (report->nr_runs == 1 && of->nr_runs == 1)
		return report->runs;
	for (size_t i = 0; i < report->nr_runs; i++) {
		if (!strcmp(report->runs[i].name, run->name))
			return &report->runs[i];
	}
	return NULL;
}

static void compare_runs(struct comparison *c, const struct run *a, const struct run *b)
{
	struct run runs[] = { *a, *b };
	const struct report both = { .runs = runs, .nr_runs = 2 };
	const struct rows rows = report_rows(&both);

	for (size_t i = 0; i < rows.nr; i++)
		add_difference(c, &rows.row[i], rows.row[i].test[0], rows.row[i].test[1]);
}

static const char *result_of(const struct ktap_test *test)
{
	if (!test)
		return "absent";
	return is_failure(test) ? "fail" : ktap_result_name(test->result);
}

static const struct ktap_test *present(const struct difference *d)
{
	return d->b ?: d->a;
}

static bool alike(const struct difference *x, const struct difference *y)
{
	return !strcmp(result_of(x->a), result_of(y->a)) &&
	       !strcmp(result_of(x->b), result_of(y->b)) &&
	       same_reason(present(x)->reason, present(y)->reason);
}

static void print_lines(FILE *out, const struct ktap_lines *lines)
{
	for (size_t i = 0; i < lines->nr; i++)
		fprintf(out, "        %s\n", lines->line[i]);
}

static void print_difference(FILE *out, const struct difference *d, unsigned int nr)
{
	const struct ktap_test *test = present(d);
	char *name = full_name(test);

	fprintf(out, "%6u  %s -> %s: %s%s%s%s\n", nr, result_of(d->a), result_of(d->b), name,
		nr > 1 ? ", ..." : "", *test->reason ? ": " : "", test->reason);
	free(name);
	if (level_of(d->b) == BAD) {
		print_lines(out, &d->b->problems);
		print_lines(out, &d->b->diag);
	}
}

/* Failures one by one, all else with how many are alike. */
static void print_changes(FILE *out, const struct comparison *c, enum change change)
{
	bool *told = grow(NULL, c->nr + 1, sizeof(*told));

	memset(told, 0, (c->nr + 1) * sizeof(*told));
	for (size_t i = 0; i < c->nr; i++) {
		const struct difference *d = &c->difference[i];
		unsigned int nr = 1;

		if (d->change != change || told[i])
			continue;
		for (size_t j = i + 1; j < c->nr && level_of(d->b) != BAD; j++) {
			if (c->difference[j].change != change ||
			    !alike(d, &c->difference[j]))
				continue;
			told[j] = true;
			nr++;
		}
		print_difference(out, d, nr);
	}
	free(told);
}

static const struct total *find_total(const struct totals *totals, const char *name)
{
	for (size_t i = 0; i < totals->nr; i++) {
		if (!strcmp(totals->total[i].name, name))
			return &totals->total[i];
	}
	return NULL;
}

static double rate(double n, const struct stress *stress)
{
	return stress->elapsed > 0 ? n / stress->elapsed : 0;
}

static void print_ratio(FILE *out, double a, double b)
{
	fprintf(out, " %11.*f %11.*f", a < 10, a, b < 10, b);
	if (a > 0)
		fprintf(out, " %6.2f", b / a);
	else
		fprintf(out, " %6s", "-");
}

static void print_rates(FILE *out, const struct stress *a, const struct stress *b)
{
	static const struct total none;

	fprintf(out, "%-22s %11s %11s %6s %11s %11s %6s\n", "consumer", "calls/s: A", "B",
		"B/A", "pages/s: A", "B", "B/A");
	for (size_t i = 0; i < a->consumers.nr + b->consumers.nr; i++) {
		bool only_b = i >= a->consumers.nr;
		const struct total *x = only_b ? &b->consumers.total[i - a->consumers.nr] :
						 &a->consumers.total[i];
		const struct total *y = find_total(only_b ? &a->consumers : &b->consumers,
						   x->name);
		const char *name = x->name;

		if (only_b) {
			if (y)
				continue;
			y = x;
			x = &none;
		}
		fprintf(out, "%-22s", name);
		print_ratio(out, rate(x->operations, a), rate(y ? y->operations : 0, b));
		print_ratio(out, rate(x->pages, a), rate(y ? y->pages : 0, b));
		putc('\n', out);
	}
}

static void print_heads(FILE *out, const char *which, const struct report *report)
{
	for (size_t i = 0; i < report->nr_runs; i++) {
		const struct run *run = &report->runs[i];
		struct report one = {};
		const unsigned int *n = one.count;

		report_count_run(&one, run);
		fprintf(out, "%s: %s (%s): %u passed, %u failed, %u skipped\n", which, run->path,
			run->kernel ?: "kernel not known", n[KTAP_PASS] + n[KTAP_XFAIL],
			n[KTAP_FAIL], n[KTAP_SKIP] + n[KTAP_INCONCLUSIVE]);
		free(one.groups);
	}
}

static void print_comparison(FILE *out, const struct comparison *c)
{
	print_heads(out, "A", c->a);
	print_heads(out, "B", c->b);
	for (size_t i = 0; i < c->a->nr_runs; i++) {
		const struct run *run = &c->a->runs[i], *other = partner(c->b, c->a, run);

		if (!other)
			fprintf(out, "only in A: %s\n", run->name);
		else if (run->stress && other->stress)
			print_rates(out, run->stress, other->stress);
	}
	for (size_t i = 0; i < c->b->nr_runs; i++) {
		if (!partner(c->a, c->b, &c->b->runs[i]))
			fprintf(out, "only in B: %s\n", c->b->runs[i].name);
	}
	for (int change = NR_CHANGES - 1; change >= 0; change--) {
		if (c->count[change])
			fprintf(out, "%s: %u\n", change_names[change], c->count[change]);
		print_changes(out, c, change);
	}
	fprintf(out, "%u worse, %u better, %u otherwise, %u appeared, %u gone\n",
		c->count[WORSE], c->count[BETTER], c->count[OTHERWISE], c->count[APPEARED],
		c->count[GONE]);
}

static json_t *json_rates(const struct stress *stress)
{
	json_t *rates = json_object();

	for (size_t i = 0; i < stress->consumers.nr; i++) {
		const struct total *total = &stress->consumers.total[i];

		json_object_set_new(rates, total->name,
				    json_pack("{s:f, s:f}", "operations_per_s",
					      rate(total->operations, stress), "pages_per_s",
					      rate(total->pages, stress)));
	}
	return rates;
}

static void print_json_comparison(FILE *out, const struct comparison *c)
{
	json_t *object = json_object(), *list = json_array(), *rates = json_array();

	for (int i = 0; i < NR_CHANGES; i++)
		json_object_set_new(object, change_names[i], json_integer(c->count[i]));
	for (size_t i = 0; i < c->nr; i++) {
		const struct difference *d = &c->difference[i];
		json_t *one = json_pack("{s:s, s:s, s:s}", "change", change_names[d->change],
					"a", result_of(d->a), "b", result_of(d->b));

		json_object_set_new(one, "program", json_text(d->row->program));
		json_object_set_new(one, "test", json_text(d->row->name));
		json_object_set_new(one, "reason", json_text(present(d)->reason));
		json_array_append_new(list, one);
	}
	json_object_set_new(object, "changes", list);
	for (size_t i = 0; i < c->a->nr_runs; i++) {
		const struct run *run = &c->a->runs[i], *other = partner(c->b, c->a, run);

		if (run->stress && other && other->stress)
			json_array_append_new(rates, json_pack("{s:o, s:o}", "a",
							       json_rates(run->stress), "b",
							       json_rates(other->stress)));
	}
	json_object_set_new(object, "rates", rates);
	if (json_dumpf(object, out, JSON_INDENT(1)))
		errx(VERDICT_USAGE, "cannot write the report");
	putc('\n', out);
	json_decref(object);
}

bool compare(FILE *out, const struct report *a, const struct report *b, bool json)
{
	const struct run nothing = { .tests = ktap_add(NULL, "", KTAP_PASS, "") };
	struct comparison c = { .a = a, .b = b };
	const struct run *other;
	bool any = false;

	nothing.tests->counted = true;
	for (size_t i = 0; i < a->nr_runs; i++) {
		other = partner(b, a, &a->runs[i]);
		any |= !!other;
		compare_runs(&c, &a->runs[i], other ?: &nothing);
	}
	if (!any)
		errx(VERDICT_USAGE, "they have no kernel in common: name one run of each");
	for (size_t i = 0; i < b->nr_runs; i++) {
		if (!partner(a, b, &b->runs[i]))
			compare_runs(&c, &nothing, &b->runs[i]);
	}
	if (json)
		print_json_comparison(out, &c);
	else
		print_comparison(out, &c);
	return c.count[WORSE];
}
