/* SPDX-License-Identifier: GPL-2.0 */
#ifndef PINTRACE_H
#define PINTRACE_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

#include <jansson.h>

#include "book.h"
#include "counters.h"

#define NSEC_PER_SEC 1000000000ull
#define NSEC_PER_MSEC 1000000ull
#define AGES 8

enum exit_code {
	EXIT_OK = 0,
	EXIT_FINDING = 1, /* CMD's pins are outstanding, its processes gone */
	EXIT_USAGE = 2, /* bad option, or output cannot be written */
	EXIT_CANNOT_SAY = 4, /* kselftest's skip */
	EXIT_NOEXEC = 126,
	EXIT_NOTFOUND = 127,
};

enum format {
	FORMAT_TEXT,
	FORMAT_JSON,
	FORMAT_FOLDED,
};

struct options {
	pid_t pid;
	const char *comm;
	const char *cgroup;
	uint64_t duration_ns; /* 0: until interrupted */
	uint64_t drain_ns;
	unsigned int top;
	bool stacks;
	bool held;
	bool by_cgroup;
	bool folded_acquired;
	bool verbose;
	enum format format;
	const char *output;
	const char *without; /* a function that is not to be hooked */
	uint32_t max_folios; /* 0: by the size of memory */
	uint32_t max_owners;
	uint32_t max_stacks;
	uint32_t depth;
	char **cmd;
};

/* Pages; what the kernel counted or what the hooks saw. */
struct totals {
	struct pin_count before; /* the kernel's counters, read before ... */
	struct pin_count seen; /* ... and after this */
	struct pin_count after;
	uint64_t uncounted;
	uint64_t others_acquired; /* by those not selected */
	struct trouble trouble;
	uint64_t ns;
};

struct row {
	struct owner o;
	int64_t outstanding;
	uint64_t oldest_ns; /* 0: nothing outstanding */
	uint64_t age[AGES]; /* pages, by age_limit_ns[] */
	uint64_t *frame; /* innermost first */
	unsigned int nr_frames;
	bool gone; /* the process has ended */
};

extern const uint64_t age_limit_ns[AGES];
extern const char *const age_name[AGES];

/* What one look at the books gives. */
struct books {
	struct totals totals;
	struct row *row;
	size_t nr_rows;
	uint64_t age[AGES];
	uint64_t folios;
};

struct trace;

/*
 * trace.c: hook the kernel and begin to book. On failure the reason is
 * printed, and the exit_code returned in @status.
 */
struct trace *trace_start(const struct options *opt,
			  const struct pin_counters *c, pid_t cmd, int own_fd,
			  int *status);

/* A map for the books of a command (own.h), or a negative errno. */
int trace_own_books(void);
void trace_stop(struct trace *t);
const struct totals *trace_base(const struct trace *t);
const char *trace_hooks(const struct trace *t);

/* The entry points of pinning; "" for ENTRY_UNKNOWN. */
const char *trace_entry(uint32_t entry);
bool trace_is_entry(const char *function);

/* Pages that those selected hold now. */
int64_t trace_outstanding(const struct trace *t);

/* Both return 0 or a negative errno. */
int trace_totals(const struct trace *t, struct totals *now);
int trace_books(struct trace *t, struct books *b);
void books_free(struct books *b);

/*
 * before.c: what was pinned before the trace, looked at when it began. NULL if
 * there is no helper module to ask.
 */
struct before;

struct before *before_look(void);
void before_free(struct before *b);
void before_text(FILE *out, const struct before *b, unsigned int top);
json_t *before_json(const struct before *b);

/* The above, or NULL if nothing was outstanding. */
const struct before *trace_before(const struct trace *t);

/* symbols.c */
struct symbols;

/* NULL: out of memory. */
struct symbols *symbols_load(void);
void symbols_free(struct symbols *s);

/* Modules come and go: look which, if that is @each_ns ago. */
void symbols_look(struct symbols *s, uint64_t each_ns);

/* What was at that address at that time (CLOCK_MONOTONIC); NULL: not known. */
const char *symbols_find(const struct symbols *s, uint64_t addr, uint64_t when);

/* report.c: a report on the books; the verdict is for CMD, or NULL. */
struct verdict {
	const char *word;
	char text[160];
	enum exit_code code;
};

void report(FILE *out, const struct options *opt, const struct trace *t,
	    const struct symbols *s, struct books *b, const struct verdict *v);

/* How far what the hooks saw is from what the kernel counted: 0 is exact. */
void unattributed(const struct totals *base, const struct totals *now,
		  int64_t *acquired, int64_t *released);

/* Events that are not booked. */
uint64_t lost_events(const struct totals *base, const struct totals *now);

#endif
