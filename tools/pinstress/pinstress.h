/* SPDX-License-Identifier: GPL-2.0 */
#ifndef PINSTRESS_H
#define PINSTRESS_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

#include "consumer.h"
#include "counters.h"
#include "foreign.h"
#include "klog.h"
#include "ledger.h"

#define MSEC	1000000ull
#define SEC	1000000000ull

enum exit_code {
	EXIT_BALANCED = 0,
	EXIT_UNBALANCED = 1,
	EXIT_USAGE = 2,
	EXIT_INCONCLUSIVE = 4,
};

enum on_fail {
	ON_FAIL_STOP,
	ON_FAIL_CONTINUE,
	ON_FAIL_EXEC,
	ON_FAIL_PANIC,
};

#define NODE_SPREAD	-1
#define MAX_JOBS	256

/* The job: what a replay must know, and what it need not. */
struct options {
	char *consumers, *memory, *chaos;	/* lists of patterns, by commas */
	uint64_t seed;
	uint64_t duration_ns;		/* 0: no limit */
	uint64_t operations;		/* pins in all, 0: no limit */
	uint64_t checkpoint_ns;
	unsigned int jobs;
	unsigned int hold;		/* pages each worker keeps pinned */
	unsigned int min_pages, max_pages;
	unsigned int repeat;		/* calls at most on one buffer */
	unsigned int rate;		/* operations/s of each worker, 0: no limit */
	int node;			/* NODE_SPREAD or an id */

	enum on_fail on_fail;
	char *command;			/* ON_FAIL_EXEC */
	char *results, *resume, *replay;
	uint64_t drain_ns;
	uint64_t log_bytes;		/* of one file of the results */
	bool json, list, strict, quiet;
	bool narrow, attribute;
};

/* What a run has to choose from, after probing. */
struct choice {
	unsigned int nr_consumers, nr_held, nr_kinds, nr_memory_chaos;
	unsigned char consumer[LEDGER_CONSUMERS];	/* index in pin_consumers */
	unsigned char held[LEDGER_CONSUMERS];		/* those with pins that stay */
	unsigned char kind[LEDGER_KINDS];
	unsigned char memory_chaos[LEDGER_CHAOS];	/* index in pin_chaos */
};

/* One step of a worker, drawn from the seed, its number and nothing else. */
struct step {
	const struct pin_consumer *consumer;
	const struct pin_memkind *kind;
	unsigned int consumer_id, kind_id;
	unsigned int pages;
	unsigned int repeat;
	unsigned int node;	/* position in the counters' list */
	bool keep;		/* its pins stay until later steps replace them */
	int after;		/* chaos on the memory once it is pinned, -1: none */
	int beside;		/* chaos while it is pinned and unpinned, -1: none */
	uint64_t noise;		/* for whatever else is to vary */
};

enum verdict {
	V_EXACT,		/* to the page */
	V_BOUNDED,		/* balanced, acquired within bounds */
	V_EXCUSED,		/* by a known issue of this kernel */
	V_INCONCLUSIVE,
	V_FAIL,
};

/* Everything about one checkpoint that a report may want. */
struct checkpoint {
	uint64_t n;
	enum verdict verdict;
	char reason[4096];	/* of anything but V_EXACT: lines */
	uint64_t at_ns, interval_ns;	/* since the start, since the last one */
	uint64_t barrier_ns, drain_ns, work_ns;	/* work: all the rest */
	struct pin_count counters;	/* as they stand */
	struct books predicted;		/* of the interval */
	struct pin_count moved;		/* in the interval, as measured */
	int64_t off_acquired, off_released;	/* measured less predicted */
	int64_t held;		/* pages that the workers keep pinned */
	int64_t foreign;	/* outstanding beyond that, by others or lost */
	long vmpin_kib;		/* of all workers */
	bool flushed;
	struct activity done;	/* in the interval */
	const char *mm;		/* kernel activity that may repeat pins */
};

struct run {
	const struct options *opt;
	struct pin_counters counters;
	struct pin_kernel kernel;
	struct pin_klog klog;
	struct choice choice;
	struct ledger *ledger;
	struct pin_foreign holders;

	/* where the current interval began */
	struct pin_snapshot base;
	struct books base_books;
	struct activity base_done;
	uint64_t base_mm;
	bool noisy_base;		/* others pinned when it was taken */

	struct pin_snapshot start;
	struct activity before_start;	/* of the folder that is resumed */
	double elapsed_before;		/* seconds, of the run that is resumed */
	uint64_t checkpoints_before;
	uint64_t start_ns, deadline_ns, end_ns;
	double cpu_s, coordinator_s;	/* CPU time of the workers, and ours */
	uint64_t next_checkpoint_ns;
	uint64_t foreign_until;		/* checkpoint number: wary until then */
	unsigned int suspicious;	/* intervals with the same kind of excess */
	uint64_t verdicts[V_FAIL + 1];
	uint64_t deaths, crashes;
	unsigned int enough;		/* workers that are through with their share */
	bool output_failed;
	uint64_t first_fail;		/* number of the checkpoint, 0: none */
	uint64_t fail_step;		/* the furthest step of a worker by then */
	char fail_reason[4096];
	struct activity fail_done;
	uint64_t excess;		/* repeated pins within bounds, pages */
};

/* draw.c */
void draw_step(const struct run *r, unsigned int worker, uint64_t n, struct step *s);
uint64_t draw_hash(uint64_t hash, const struct step *s);
uint64_t draw_number(uint64_t *state);

/* worker.c */
#define WORKER_NAME	"pinstress-work"	/* of the process */
void __attribute__((noreturn)) worker_main(struct run *r, unsigned int number);

/* A fork of this worker is to keep what holds the pins. */
extern bool worker_fork_inherits;

/* coordinator.c */
int coordinate(struct run *r);
extern volatile sig_atomic_t interrupted;

/* checkpoint.c */
void take_baseline(struct run *r);
void take_checkpoint(struct run *r, struct checkpoint *cp, bool last);
/* True if it is known which node each page is on. */
bool nodes_are_judged(const struct run *r);
uint64_t foreign_pins(struct run *r, uint64_t ns);

/* report.c */
extern const char *const verdict_names[];
int report_open(struct run *r);
void report_start(struct run *r);
void report_progress(struct run *r);
void report_checkpoint(struct run *r, const struct checkpoint *cp);
void report_event(struct run *r, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
void report_reproducer(struct run *r, const char *job);
int report_end(struct run *r);
void describe_activity(const struct activity *a, char *text, size_t len);

/* soak.c: the folder of --results */
int soak_open(const struct options *opt);
int soak_write(const char *line);
/* Before anything else: the job and the account that the folder has. */
int soak_resume(struct options *opt, struct run *r);
/* Once there is a ledger and a baseline: what is unknown is said. */
int soak_continue(struct run *r);
void read_boot_id(char *text, size_t len);

/* job.c: a job as text */
void job_line(const struct options *opt, char *text, size_t len);
int job_save(const struct options *opt, const char *path);
int job_load(struct options *opt, const char *path);

/* narrow.c */
void narrow_down(struct run *r);

#endif
