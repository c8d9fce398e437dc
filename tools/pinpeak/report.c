// SPDX-License-Identifier: GPL-2.0
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "pinpeak.h"

/* Of the rounds: the middle one, the least and the most. */
struct spread {
	double median, min, max;
};

static int by_size(const void *a, const void *b)
{
	const double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static struct spread spread_of(const double *value, unsigned int nr)
{
	double sorted[MAX_ROUNDS];

	memcpy(sorted, value, nr * sizeof(*value));
	qsort(sorted, nr, sizeof(*sorted), by_size);
	return (struct spread){
		.median = (sorted[(nr - 1) / 2] + sorted[nr / 2]) / 2,
		.min = sorted[0], .max = sorted[nr - 1],
	};
}

/* Operations/s of all processes together, and CPU time of one operation. */
static void figures(const struct options *opt, const struct cell *c, struct spread *rate,
		    struct spread *cpu)
{
	double per_s[MAX_ROUNDS] = { 0 }, ns[MAX_ROUNDS];

	for (unsigned int r = 0; r < c->rounds; r++) {
		uint64_t ops = 0, used = 0;

		for (unsigned int j = 0; j < opt->jobs; j++) {
			const struct share *s = &c->share[r][j];

			per_s[r] += s->operations * 1e9 / s->wall_ns;
			ops += s->operations;
			used += s->cpu_ns;
		}
		ns[r] = (double)used / ops;
	}
	*rate = spread_of(per_s, c->rounds);
	*cpu = spread_of(ns, c->rounds);
}

static void put(json_t *o)
{
	char *text = json_dumps(o, JSON_COMPACT | JSON_REAL_PRECISION(9));

	json_decref(o);
	if (!text)
		abort();
	puts(text);
	free(text);
}

static json_t *spread_json(const struct spread *s, double factor)
{
	return json_pack("{s:f, s:f, s:f}", "median", s->median * factor, "min",
			 s->min * factor, "max", s->max * factor);
}

void report_start(const struct options *opt, const struct pin_kernel *k)
{
	if (opt->json) {
		put(json_pack("{s:s, s:s, s:s, s:i, s:i, s:f}", "type", "start", "kernel",
			      k->release, "memory", opt->kind->name, "jobs", opt->jobs,
			      "rounds", opt->rounds, "seconds", opt->ns / 1e9));
		return;
	}
	printf("pinpeak on %s: memory %s, %u process%s, medians of %u rounds (min-max)\n",
	       k->release, opt->kind->name, opt->jobs, opt->jobs > 1 ? "es" : "", opt->rounds);
	printf("%-20s %6s %12s %14s %13s %12s\n", "consumer", "pages", "pins/s", "pages/s",
	       "CPU ns/pin", "ns/page");
}

void report_cell(const struct options *opt, const struct cell *c)
{
	const double pages = c->pin.acquired;
	struct spread rate, cpu;
	json_t *o;

	if (c->err || !c->rounds) {
		if (opt->json)
			put(json_pack("{s:s, s:s, s:i, s:s}", "type", "left_out", "consumer",
				      c->consumer->name, "pages", c->wanted, "why", c->why));
		else
			printf("# %s, %u pages: left out: %s\n", c->consumer->name, c->wanted,
			       *c->why ? c->why : "interrupted");
		return;
	}
	figures(opt, c, &rate, &cpu);
	if (!opt->json) {
		printf("%-20s %6u %12.0f %14.0f %13.1f", c->consumer->name, c->pages,
		       rate.median, rate.median * pages, cpu.median);
		if (pages)
			printf(" %12.2f", cpu.median / pages);
		else
			printf(" %12s", "no pins");
		printf("  (%.1f-%.1f)%s\n", cpu.min, cpu.max,
		       c->reopens ? " with open and close" : "");
		return;
	}
	o = json_pack("{s:s, s:s, s:i, s:i, s:i, s:b}", "type", "loop", "consumer",
		      c->consumer->name, "pages", c->pages, "pins_counted",
		      (int)c->pin.acquired, "rounds", c->rounds, "with_open_and_close",
		      c->reopens);
	json_object_set_new(o, "operations_s", spread_json(&rate, 1));
	json_object_set_new(o, "pages_s", spread_json(&rate, pages));
	json_object_set_new(o, "cpu_ns_operation", spread_json(&cpu, 1));
	if (pages)
		json_object_set_new(o, "cpu_ns_page", spread_json(&cpu, 1 / pages));
	put(o);
}

static const char *const words[] = {
	[EXIT_BALANCED] = "BALANCED", [EXIT_UNBALANCED] = "NOT BALANCED",
	[EXIT_INCONCLUSIVE] = "INCONCLUSIVE",
};

/* Others only add to the counters: what is missing there is missing. */
static int judge(const struct pin_predict *foretold, const struct pin_count *moved,
		 bool others, const char **why)
{
	const int64_t acquired = moved->acquired - foretold->acquired;
	const int64_t left = acquired - (int64_t)(moved->released - foretold->released);

	*why = "all that was pinned is released";
	if (acquired >= 0 && acquired <= (int64_t)foretold->migrated && !left)
		return EXIT_BALANCED;
	if (acquired > 0 || (!acquired && others)) {
		*why = "other programs pinned pages, too: run it on a quiet machine";
		return EXIT_INCONCLUSIVE;
	}
	*why = acquired < 0 ? "fewer pages were acquired than pinned" :
	       left < 0 ? "more was released than acquired" : "not all is released";
	return EXIT_UNBALANCED;
}

int report_end(const struct options *opt, const struct pin_predict *foretold,
	       const struct pin_count *moved, bool others)
{
	const char *why;
	int code = judge(foretold, moved, others, &why);

	if (opt->json)
		put(json_pack("{s:s, s:s, s:s, s:{s:I, s:I}, s:{s:I, s:I}, s:I}", "type", "end",
			      "verdict", words[code], "why", why, "foretold", "acquired",
			      (json_int_t)foretold->acquired, "released",
			      (json_int_t)foretold->released, "measured", "acquired",
			      (json_int_t)moved->acquired, "released",
			      (json_int_t)moved->released, "may_be_more",
			      (json_int_t)foretold->migrated));
	else
		printf("%s: %s (acquired %llu, released %llu, foretold %llu)\n", words[code], why,
		       (unsigned long long)moved->acquired, (unsigned long long)moved->released,
		       (unsigned long long)foretold->acquired);
	if (fflush(stdout) || ferror(stdout)) {
		fprintf(stderr, "pinpeak: the standard output cannot be written\n");
		return EXIT_USAGE;
	}
	return code;
}
