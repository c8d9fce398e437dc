/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A chaos actor disturbs. It lives in one file, chaos_*.c, and has one line in
 * chaos_registry.h.
 */
#ifndef PINSTRESS_CHAOS_H
#define PINSTRESS_CHAOS_H

#include <stdbool.h>
#include <stdint.h>

#include "pinstress.h"

/* Names of processes: one acts on the machine, one has inherited what a worker holds. */
#define CHAOS_ACTOR	"pinstress-chaos"
#define CHAOS_HEIR	"pinstress-heir"

enum chaos_scope {
	/*
	 * The memory of one session, in the worker: after it is pinned, which
	 * must change nothing, or beside the calls, by a second thread, which
	 * makes these calls unpredictable. Half of the steps stay undisturbed.
	 */
	CHAOS_MEMORY,
	CHAOS_WORKERS,	/* acts on worker processes, in the coordinator */
	CHAOS_MACHINE,	/* acts on the machine, in a process of its own */
};

struct pin_chaos {
	const char *name;
	const char *help;
	enum chaos_scope scope;
	/*
	 * It takes pages away from under everybody, so that a lockless walk
	 * may drop a page and take it again: every call may count more.
	 */
	bool loosens;
	bool starves;		/* calls of everybody may fail for want of memory */
	bool interrupts;	/* calls of everybody may fail by a signal */
	bool kills;		/* workers */
	unsigned int pause_ms;	/* about so long between two acts */
	/* Can it be had here? 0, or -errno, and why not and how to get it. */
	int (*probe)(const struct pin_kernel *k, char *why);
	/* Once, in the coordinator before workers start; undone by lib/scratch. */
	int (*setup)(struct run *r, char *why);
	/* CHAOS_MEMORY: disturb @m once. */
	void (*memory)(const struct pin_mem *m, uint64_t noise);
	/* CHAOS_WORKERS and CHAOS_MACHINE: disturb once. */
	void (*act)(struct run *r, uint64_t noise);
	/* Lift what keeps workers from coming to a checkpoint, or NULL. */
	void (*calm)(void);
};

extern const struct pin_chaos *const pin_chaos[];
extern const unsigned int pin_nr_chaos;

/* What all the selected ones together do to predictions. */
struct chaos_effect {
	bool loosens, starves, interrupts, kills;
};

extern struct chaos_effect chaos_effect;

/* Select by list: 0, or an exit code after saying what is wrong. */
int chaos_select(struct run *r);
bool chaos_selected(unsigned int which);
/* Start the processes of CHAOS_MACHINE; let CHAOS_WORKERS act. */
void chaos_start(struct run *r);
void chaos_tick(struct run *r);
void chaos_calm(void);
void chaos_stop(struct run *r);

/* A range of whole pages of @m: where it starts; its length goes to *@len. */
char *chaos_range(const struct pin_mem *m, uint64_t noise, size_t *len);

/* Some worker that is alive and not stopped, or NULL. */
struct line *chaos_victim(struct run *r, uint64_t noise);

int chaos_write(const char *path, const char *value);

#endif
