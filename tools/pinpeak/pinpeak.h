/* SPDX-License-Identifier: GPL-2.0 */
#ifndef PINPEAK_H
#define PINPEAK_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

#include "consumer.h"
#include "counters.h"

#define MSEC	1000000ull
#define SEC	1000000000ull

enum exit_code {
	EXIT_BALANCED = 0,
	EXIT_UNBALANCED = 1,
	EXIT_USAGE = 2,
	EXIT_INCONCLUSIVE = 4,
};

#define MAX_JOBS	256
#define MAX_ROUNDS	100
#define MAX_SIZES	16

struct options {
	const char *consumers;	/* patterns, by commas */
	const struct pin_memkind *kind;
	unsigned int size[MAX_SIZES], nr_sizes;
	uint64_t ns;		/* in all rounds together, of each loop */
	unsigned int rounds, jobs;
	bool json, list;
};

/* What one process did in one round. */
struct share {
	uint64_t operations;	/* timed ones */
	uint64_t extra;		/* the one before */
	uint64_t wall_ns, cpu_ns;
};

/* One consumer on a buffer of one size. */
struct cell {
	const struct pin_consumer *consumer;
	unsigned int wanted, pages;
	struct pin_predict pin, unpin;	/* as foretold */
	bool reopens;		/* only close() lets go */
	int err;		/* left out, and why */
	char why[PIN_WHY_LEN];
	unsigned int ready;	/* processes in this round that wait for the others */
	unsigned int rounds;	/* done */
	struct share share[MAX_ROUNDS][MAX_JOBS];
};

extern volatile sig_atomic_t interrupted;

/* loop.c: which of @cells cannot be had here. */
void probe_all(const struct pin_kernel *k, struct cell *cells, unsigned int nr);

/* One round of @c, in processes of their own. */
void run_round(const struct options *opt, const struct pin_kernel *k, struct cell *c);

/* report.c */
void report_start(const struct options *opt, const struct pin_kernel *k);
void report_cell(const struct options *opt, const struct cell *c);
/* Have the counters @moved as foretold? @others: somebody else pins now. */
int report_end(const struct options *opt, const struct pin_predict *foretold,
	       const struct pin_count *moved, bool others);

#endif
