/* SPDX-License-Identifier: GPL-2.0 */
#ifndef PINREPORT_STRESS_H
#define PINREPORT_STRESS_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "ktap.h"

/* As pinstress names them; the worse the later. */
enum stress_verdict {
	STRESS_EXACT,
	STRESS_BOUNDED,
	STRESS_EXCUSED,
	STRESS_INCONCLUSIVE,
	STRESS_FAIL,
	STRESS_NR_VERDICTS,
};

extern const char *const stress_verdict_names[];

struct range {
	double min, max, sum;
};

/* One checkpoint, or several in a row where there are too many for a plot. */
struct point {
	double t; /* of the last, seconds since the run began */
	unsigned long nr; /* checkpoints */
	unsigned int segment; /* pinstress --resume begins a new one */
	enum stress_verdict verdict; /* the worst of them */
	struct range outstanding; /* by the counters, pages, since the start */
	struct range held; /* by the ledger */
	struct range acquired, released; /* pages/s */
	struct range chaos; /* disturbances/s */
};

#define STRESS_MAX_POINTS 2000
#define STRESS_MAX_NOTES 500

/* An event, or a checkpoint that is not right. */
struct note {
	double t;
	unsigned long n; /* of the checkpoint, 0: an event */
	enum stress_verdict verdict;
	char *text;
};

struct notes {
	struct note *note;
	size_t nr;
	size_t left_out;
};

struct total {
	char *name;
	double operations;
	double pages;
};

struct totals {
	struct total *total;
	size_t nr;
};

/* Powers of two, from 1/16 ms on; the last one is open. */
#define STRESS_LAG_BINS 18
#define STRESS_LAG_FIRST_MS 0.0625

/* What the record of a pinstress run says; never more than fits a page. */
struct stress {
	char *kernel, *machine, *job, *consumer_list, *memory, *chaos_list;
	char *began, *last, *verdict, *why, *reproducer;
	unsigned long long seed;
	long long workers;
	unsigned int segments;
	bool ended, interrupted;
	double base; /* seconds of the segments before */
	double elapsed;
	double operations;
	double start_outstanding;
	unsigned long checkpoints[STRESS_NR_VERDICTS];
	unsigned long lag[STRESS_LAG_BINS];
	double longest_lag_ms;
	struct point *points;
	size_t nr_points;
	unsigned long per_point; /* checkpoints that are right: up to so many */
	struct notes events, differences;
	struct totals consumers, chaos;
};

struct stress *stress_new(void);
/* False if it is no record of pinstress. */
bool stress_add(struct stress *stress, const json_t *record);
/* The run as a test, below @root: passed if the books balance. */
void stress_judge(const struct stress *stress, struct ktap_test *root);
unsigned long stress_nr_checkpoints(const struct stress *stress);

#endif
