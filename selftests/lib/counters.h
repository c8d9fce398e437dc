/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The bank statement: nr_foll_pin_acquired and nr_foll_pin_released.
 *
 * Source: mod_node_page_state(NR_FOLL_PIN_*) in mm/gup.c, since Linux 5.7.
 * Unit: pages (a large folio counts as many as were asked for, never the
 * 1024 bias of a small folio's reference count). Both only ever grow.
 *
 * The kernel keeps per-CPU deltas and folds them when they exceed a threshold
 * or about once per vm.stat_interval, so a plain read may miss the last few
 * pins. A read is exact only after a flush.
 */
#ifndef PIN_COUNTERS_H
#define PIN_COUNTERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "own.h"

#define PIN_MAX_NODES	64

struct pin_count {
	uint64_t acquired;
	uint64_t released;
};

struct pin_snapshot {
	struct pin_count total;			/* /proc/vmstat */
	struct pin_count node[PIN_MAX_NODES];	/* by position, see node_id */
	uint64_t ns;				/* CLOCK_MONOTONIC at the read */
};

struct pin_counters {
	int vmstat_fd;
	size_t vmstat_enough;		/* bytes that have both lines, and some more */
	int refresh_fd;			/* -1: no flush */
	bool exact;			/* readings are: flushed, or one CPU only */
	int nr_nodes;			/* 0: no per-node files here */
	int node_fd[PIN_MAX_NODES];
	int node_id[PIN_MAX_NODES];
	uint64_t settle_ns;		/* unprivileged: time until deltas are folded */
	/*
	 * Set by the user: what pintrace has booked of our own processes is read
	 * instead, in which others' pins do not show; it knows no nodes.
	 */
	const volatile struct pin_own *own;
};

/*
 * Open the files once and keep them: a read then costs about 20 us.
 *
 * Returns 0, -ENOENT if /proc is not mounted, -EOPNOTSUPP if this kernel has
 * no pin counters, or another negative errno.
 */
int pin_counters_open(struct pin_counters *c);
void pin_counters_close(struct pin_counters *c);

/* True if the result of pin_counters_read() is exact. */
static inline bool pin_counters_exact(const struct pin_counters *c)
{
	return c->exact;
}

/* Flush if permitted, then read. Returns 0 or a negative errno. */
int pin_counters_read(const struct pin_counters *c, struct pin_snapshot *s);

/* The same in two parts: the nodes' files cost several times what the total does. */
int pin_counters_read_total(const struct pin_counters *c, struct pin_snapshot *s);
int pin_counters_read_nodes(const struct pin_counters *c, struct pin_snapshot *s);

/* Read what is folded by now, without a flush: cheap, stale by design. */
int pin_counters_read_stale(const struct pin_counters *c, struct pin_snapshot *s);

/*
 * Total and nodes of one moment. They are read one after the other, so what
 * others pin meanwhile tears them apart: read until two readings on end agree.
 * Returns 0, -EBUSY if none did, or a negative errno.
 */
int pin_counters_read_whole(const struct pin_counters *c, struct pin_snapshot *s,
			    uint64_t timeout_ns);

/*
 * An exact read for everyone: flush, or where that is not permitted wait until
 * two readings settle_ns apart agree. @timeout_ns bounds that wait.
 * Returns 0, -EBUSY if the counters never came to rest, or a negative errno.
 */
int pin_counters_settle(const struct pin_counters *c, struct pin_snapshot *s,
			uint64_t timeout_ns);

/* Outstanding pins in pages; negative if releases outnumber acquisitions. */
static inline int64_t pin_outstanding(const struct pin_count *n)
{
	return (int64_t)(n->acquired - n->released);
}

uint64_t pin_now_ns(void);
void pin_sleep_ns(uint64_t ns);

#endif
