/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The ledger: one line per worker, in memory that all processes share.
 *
 * A worker writes down what a call may acquire before it calls, and what it
 * did afterwards. If it is killed in between, the coordinator closes its line:
 * what was held is released by the exit, and of the call in flight no more
 * than its intent can have been acquired, all of it released as well.
 */
#ifndef PINSTRESS_LEDGER_H
#define PINSTRESS_LEDGER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "consumer.h"
#include "counters.h"

enum {
#define PIN_CONSUMER(name)	LEDGER_##name,
#include "consumers/registry.h"
#undef PIN_CONSUMER
	LEDGER_CONSUMERS
};

#define LEDGER_KINDS		64
#define LEDGER_CHAOS		32
#define LEDGER_RECENT		8

/* Sums over calls, in pages. */
struct books {
	struct pin_count all;
	struct pin_count node[PIN_MAX_NODES];	/* where the node is known */
	/*
	 * Up to that many more of both, acquired and released: calls that were
	 * disturbed, killed, or that may pin more than once.
	 */
	uint64_t slack;
	uint64_t disturbed;	/* calls that were */
	int64_t excused;	/* releases that a known issue adds */
	int64_t vmpin;
};

/* For the report; of a killed worker the last call may be missing. */
struct activity {
	uint64_t operations;			/* calls that pin */
	uint64_t consumer_ops[LEDGER_CONSUMERS];
	uint64_t consumer_pages[LEDGER_CONSUMERS];
	uint64_t cell[LEDGER_CONSUMERS][LEDGER_KINDS];
	uint64_t chaos[LEDGER_CHAOS];
	uint64_t unfit;				/* steps that could not be set up */
	uint64_t refused;			/* by RLIMIT_MEMLOCK */
	uint64_t viewed;			/* pages, at checkpoints */
};

/* What books were before a call, as far as one call can change them. */
struct intent {
	uint32_t open;
	unsigned int node;
	struct pin_count all, on_node;
	uint64_t slack, disturbed;
	int64_t excused, vmpin;
	uint64_t bound;		/* pages that the call may acquire */
};

struct line {
	pid_t pid;		/* 0: no worker */
	uint64_t parked;	/* checkpoint at which it waits */
	bool finished;		/* no more steps, waits to be told to end */
	bool stopped;		/* SIGSTOP */
	bool killed;		/* by us */
	uint64_t step;		/* the next one */
	uint64_t pins_done;	/* against the share of --operations */
	uint64_t hash;		/* of all steps so far */
	uint64_t kept;		/* pages of sessions it keeps */
	int consumer_id, kind_id;	/* at work on, -1: nothing */
	struct intent intent;
	struct books books;
	struct activity done;
	unsigned int wrong;	/* calls that returned something else */
	char wrong_text[256];	/* the first of them */
	unsigned int unlike;	/* folios that are not as booked */
	char unlike_text[512];	/* the first of them */
	char unfit_text[PIN_WHY_LEN];	/* the last one */
};

struct ledger {
	uint64_t request;	/* checkpoint that workers are to wait at */
	uint64_t resume;	/* the last one they may leave */
	bool stop;
	unsigned int nr_lines;
	uint64_t machine_chaos[LEDGER_CHAOS];	/* disturbances of the machine */
	struct line line[];
};

struct ledger *ledger_new(unsigned int lines);

/* By the worker: @bound pages may be acquired by what follows. */
void ledger_begin(struct line *l, unsigned int node, uint64_t bound);
/* The call is over: it moved that much on the node named before. */
void ledger_end(struct line *l, const struct pin_count *moved, bool any_node,
		uint64_t slack, int64_t excused, int64_t vmpin);

/* By the coordinator, once the worker is dead. Returns true if a call was in flight. */
bool ledger_close_line(struct line *l);

void ledger_sum(const struct ledger *l, struct books *sum);
void ledger_activity(const struct ledger *l, struct activity *sum);

/* @now less @then. */
void books_since(const struct books *then, const struct books *now, struct books *diff);
void activity_since(const struct activity *then, const struct activity *now,
		    struct activity *diff);
void activity_add(struct activity *sum, const struct activity *a);

#endif
