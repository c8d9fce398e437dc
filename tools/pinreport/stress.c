// SPDX-License-Identifier: GPL-2.0
/*
 * The record of a pinstress run, line by line. A soak may have written it for
 * weeks: sums are kept, and of the checkpoints as many points as a plot can
 * show. Where there are more, neighbours are merged to their mean and extremes;
 * those that are not right stay as they are as long as there is room.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "report.h"

const char *const stress_verdict_names[] = {
	[STRESS_EXACT] = "exact",
	[STRESS_BOUNDED] = "bounded",
	[STRESS_EXCUSED] = "excused",
	[STRESS_INCONCLUSIVE] = "inconclusive",
	[STRESS_FAIL] = "fail",
};

/* Failures and what leads to them have room even after many other notes. */
#define MAX_OTHERS (STRESS_MAX_NOTES / 2)

struct stress *stress_new(void)
{
	struct stress *stress = grow(NULL, 1, sizeof(*stress));

	*stress = (struct stress){ .per_point = 1 };
	stress->points = grow(NULL, STRESS_MAX_POINTS, sizeof(*stress->points));
	return stress;
}

static void set_string(char **to, const json_t *record, const char *key)
{
	const char *text = json_string_value(json_object_get(record, key));

	if (!text)
		return;
	free(*to);
	*to = format("%s", text);
}

static double number(const json_t *record, const char *key)
{
	return json_number_value(json_object_get(record, key));
}

static double outstanding(const json_t *record)
{
	const json_t *counters = json_object_get(record, "counters");

	return json_integer_value(json_object_get(counters, "acquired")) -
	       json_integer_value(json_object_get(counters, "released"));
}

static void add_start(struct stress *stress, const json_t *record)
{
	set_string(&stress->kernel, record, "kernel");
	set_string(&stress->machine, record, "machine");
	set_string(&stress->job, record, "job");
	set_string(&stress->consumer_list, record, "consumers");
	set_string(&stress->memory, record, "memory");
	set_string(&stress->chaos_list, record, "chaos");
	if (!stress->segments)
		set_string(&stress->began, record, "time");
	stress->workers = json_integer_value(json_object_get(record, "workers"));
	stress->seed = json_integer_value(json_object_get(record, "seed"));
	stress->segments++;
	stress->ended = false;
	stress->base = stress->elapsed;
	stress->start_outstanding = outstanding(record);
}

static void widen(struct range *range, const struct range *by)
{
	range->min = fmin(range->min, by->min);
	range->max = fmax(range->max, by->max);
	range->sum += by->sum;
}

static void merge(struct point *to, const struct point *next)
{
	to->t = next->t;
	to->nr += next->nr;
	if (next->verdict > to->verdict)
		to->verdict = next->verdict;
	widen(&to->outstanding, &next->outstanding);
	widen(&to->held, &next->held);
	widen(&to->acquired, &next->acquired);
	widen(&to->released, &next->released);
	widen(&to->chaos, &next->chaos);
}

static bool can_merge(const struct point *a, const struct point *b, unsigned long limit)
{
	return a->segment == b->segment && a->verdict <= STRESS_BOUNDED &&
	       b->verdict <= STRESS_BOUNDED && a->nr + b->nr <= limit;
}

/* Neighbours become one; those that are not right, too, if @all is set. */
static size_t merge_pairs(struct point *points, size_t nr, unsigned long limit, bool all)
{
	size_t left = 0;

	for (size_t i = 0; i < nr; i++) {
		points[left++] = points[i];
		if (i + 1 < nr && (all || can_merge(&points[i], &points[i + 1], limit)))
			merge(&points[left - 1], &points[++i]);
	}
	return left;
}

static void add_point(struct stress *stress, const struct point *point)
{
	struct point *last = stress->points + stress->nr_points - 1;
	size_t nr = stress->nr_points;

	if (nr && can_merge(last, point, stress->per_point)) {
		merge(last, point);
		return;
	}
	if (nr == STRESS_MAX_POINTS) {
		stress->per_point *= 2;
		nr = merge_pairs(stress->points, nr, stress->per_point, false);
		/* Hardly any is right, or it was resumed again and again. */
		if (nr > STRESS_MAX_POINTS * 3 / 4)
			nr = merge_pairs(stress->points, nr, 0, true);
	}
	stress->points[nr] = *point;
	stress->nr_points = nr + 1;
}

static struct range exactly(double value)
{
	return (struct range){ value, value, value };
}

static void add_total(struct totals *totals, const char *name, double operations,
		      double pages)
{
	struct total *total = totals->total;

	for (size_t i = 0; i < totals->nr; i++, total++) {
		if (strcmp(total->name, name))
			continue;
		total->operations += operations;
		total->pages += pages;
		return;
	}
	totals->total = grow(totals->total, totals->nr + 1, sizeof(*total));
	totals->total[totals->nr++] =
		(struct total){ format("%s", name), operations, pages };
}

static void add_note(struct notes *notes, const struct note *note, size_t room)
{
	if (notes->nr >= room) {
		notes->left_out++;
		return;
	}
	notes->note = grow(notes->note, notes->nr + 1, sizeof(*note));
	notes->note[notes->nr] = *note;
	notes->note[notes->nr++].text = format("%s", note->text ?: "");
}

static void add_lag(struct stress *stress, double ms)
{
	double limit = STRESS_LAG_FIRST_MS;
	unsigned int i = 0;

	for (; i < STRESS_LAG_BINS - 1 && ms >= limit; i++)
		limit *= 2;
	stress->lag[i]++;
	stress->longest_lag_ms = fmax(stress->longest_lag_ms, ms);
}

static enum stress_verdict verdict_of(const json_t *record)
{
	const char *name = json_string_value(json_object_get(record, "verdict"));
	int i = STRESS_EXACT;

	while (i < STRESS_FAIL && (!name || strcmp(name, stress_verdict_names[i])))
		i++;
	return i;
}

static void add_checkpoint(struct stress *stress, const json_t *record)
{
	const json_t *measured = json_object_get(record, "measured");
	double seconds = number(record, "interval_s"), disturbed = 0;
	struct point point = { .segment = stress->segments, .nr = 1 };
	struct note note = {};
	const char *name;
	json_t *value;

	point.t = stress->base + number(record, "elapsed_s");
	point.verdict = verdict_of(record);
	stress->elapsed = point.t;
	stress->operations += number(record, "operations");
	stress->checkpoints[point.verdict]++;
	json_object_foreach(json_object_get(record, "consumers"), name, value)
		add_total(&stress->consumers, name, number(value, "operations"),
			  number(value, "pages"));
	json_object_foreach(json_object_get(record, "chaos"), name, value) {
		add_total(&stress->chaos, name, json_number_value(value), 0);
		disturbed += json_number_value(value);
	}
	add_lag(stress, number(record, "drain_ms"));

	/* The last one follows the one before at once. */
	seconds = fmax(seconds, 0.001);
	point.outstanding = exactly(outstanding(record) - stress->start_outstanding);
	point.held = exactly(number(record, "held"));
	point.acquired = exactly(number(measured, "acquired") / seconds);
	point.released = exactly(number(measured, "released") / seconds);
	point.chaos = exactly(disturbed / seconds);
	add_point(stress, &point);

	if (point.verdict <= STRESS_BOUNDED)
		return;
	note.t = point.t;
	note.n = json_integer_value(json_object_get(record, "n"));
	note.verdict = point.verdict;
	note.text = (char *)json_string_value(json_object_get(record, "reason"));
	add_note(&stress->differences, &note,
		 point.verdict == STRESS_FAIL ? STRESS_MAX_NOTES : MAX_OTHERS);
}

static void add_event(struct stress *stress, const json_t *record)
{
	const json_t *elapsed = json_object_get(record, "elapsed_s");
	struct note note = { .t = stress->elapsed };

	if (elapsed)
		note.t = stress->base + json_number_value(elapsed);
	note.text = (char *)json_string_value(json_object_get(record, "text"));
	add_note(&stress->events, &note, STRESS_MAX_NOTES);
}

bool stress_add(struct stress *stress, const json_t *record)
{
	const char *type = json_string_value(json_object_get(record, "type"));

	if (!type)
		return false;
	if (!strcmp(type, "start")) {
		add_start(stress, record);
	} else if (!strcmp(type, "checkpoint")) {
		add_checkpoint(stress, record);
	} else if (!strcmp(type, "event")) {
		add_event(stress, record);
	} else if (!strcmp(type, "reproducer")) {
		set_string(&stress->reproducer, record, "job");
	} else if (!strcmp(type, "end")) {
		set_string(&stress->verdict, record, "verdict");
		set_string(&stress->why, record, "why");
		stress->ended = true;
		stress->interrupted = json_object_get(record, "signal");
	}
	/* One that is not known is of a later pinstress. */
	set_string(&stress->last, record, "time");
	return true;
}

unsigned long stress_nr_checkpoints(const struct stress *stress)
{
	unsigned long sum = 0;

	for (int i = 0; i < STRESS_NR_VERDICTS; i++)
		sum += stress->checkpoints[i];
	return sum;
}

static enum ktap_result result_of(const struct stress *stress)
{
	if (stress->checkpoints[STRESS_FAIL])
		return KTAP_FAIL;
	if (!stress->ended)
		return KTAP_INCONCLUSIVE;
	if (!strcmp(stress->verdict ?: "", "BALANCED"))
		return stress->checkpoints[STRESS_EXCUSED] ? KTAP_XFAIL : KTAP_PASS;
	return strcmp(stress->verdict ?: "", "INCONCLUSIVE") ? KTAP_FAIL :
							       KTAP_INCONCLUSIVE;
}

static void add_lines(struct ktap_lines *lines, const char *text)
{
	size_t len;
	char *line;

	for (; *text; text += len + (text[len] == '\n')) {
		len = strcspn(text, "\n");
		line = format("%.*s", (int)len, text);
		ktap_add_line(lines, line);
		free(line);
	}
}

void stress_judge(const struct stress *stress, struct ktap_test *root)
{
	static const char no_end[] =
		"the record has no end: it goes on, or was killed (--resume goes on with it)";
	const char *why = stress->ended ? stress->why ?: "" : no_end;
	struct ktap_test *test;
	char *line;

	test = ktap_add(root, "pinstress", result_of(stress), why);
	for (size_t i = 0; i < stress->differences.nr; i++) {
		const struct note *note = &stress->differences.note[i];

		if (note->verdict != STRESS_FAIL)
			continue;
		line = format("checkpoint %lu at %.1f s:", note->n, note->t);
		ktap_add_line(&test->diag, line);
		free(line);
		add_lines(&test->diag, note->text);
	}
	if (stress->reproducer) {
		line = format("reproduce by: pinstress %s", stress->reproducer);
		ktap_add_line(&test->diag, line);
		free(line);
	}
}
