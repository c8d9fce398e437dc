/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A consumer is one way into pin_user_pages*(). It lives in one file under
 * consumers/ and has one line in consumers/registry.h.
 *
 * All functions but probe run in the actor: a process of its own, so that it
 * can be killed and so that its VmPin is its own.
 */
#ifndef PIN_CONSUMER_H
#define PIN_CONSUMER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernel_facts.h"
#include "memory.h"

/* What one step does, said before it is done. Units: pages. */
struct pin_predict {
	uint64_t acquired;
	uint64_t released;
	/*
	 * Up to this many more of both: memory that a long-term pin migrates
	 * first is pinned twice.
	 */
	uint64_t migrated;
	/* Or exactly this many more of both: pins that some kernels take besides. */
	uint64_t or_more;
	/*
	 * Where the pins are that stay: one on each large folio of the buffer;
	 * else one on each of its first pages.
	 */
	bool per_folio;
	/*
	 * With per_folio, if not 0: pages from this one on are a range of their
	 * own, so that a folio on the border has two.
	 */
	uint64_t second;
	bool referenced;	/* each of these has a plain reference beside it */
	int64_t vmpin;		/* change of VmPin */
	long result;		/* 0 or bytes, or -errno */
	long or_result;		/* a second right answer; same as result if none */
	unsigned int late_ms;	/* releases may come so late, whatever the patience */
	const struct pin_known_issue *issue;	/* excuses a miscount, or NULL ... */
	int64_t issue_released;	/* ... of so many releases too many (< 0: too few) */
	bool issue_foretold;	/* all of the above is as the issue has it: excused */
};

struct pin_op {
	const struct pin_consumer *consumer;
	const struct pin_kernel *kernel;
	struct pin_mem *mem;
	void *priv;		/* owned by the consumer from open to close */
	bool compares;		/* there is to be an other_side(), which takes memory */
	char why[PIN_WHY_LEN];	/* why open failed, with the cure */
};

struct pin_consumer {
	const char *name;	/* [a-z0-9_], stable for ever */
	const char *help;
	const char *path;	/* kernel functions on the way to the pin */
	const char *since;	/* first version that pins here */
	int doc_case;		/* of Documentation/core-api/pin_user_pages.rst */
	const char *needs;	/* modules and devices, NULL: what every kernel has */
	bool held;		/* pins stay until released */
	bool by_file;		/* takes the memory by its file and offset, not by address */
	bool any_byte;		/* may start and end anywhere, not only at 512 bytes */
	bool confines;		/* open() takes rights from the process for good */
	bool exec_hangs;	/* execve() meanwhile waits for ever, even for SIGKILL */
	bool dirties;		/* marks dirty what was written to, as it lets go */
	bool only_read;		/* the memory is: not to be marked dirty */
	bool charged;		/* RLIMIT_MEMLOCK bounds what is held so at a time */
	bool by_anyone;		/* unpin() works in any process that has the descriptors */
	bool retries;		/* pins anew each time a busy device sends it away */
	/* How many pages it wants, of kinds that are not huge; NULL: any number. */
	unsigned int (*pages)(const struct pin_kernel *k);
	/*
	 * Can it be driven here? 0, or a negative errno and in @why the reason
	 * and how to get it.
	 */
	int (*probe)(const struct pin_kernel *k, char *why);
	/* Everything that needs no pin: 0, or a negative errno and op->why. */
	int (*open)(struct pin_op *op);
	/* Foretell pin() on op->mem. */
	void (*predict)(const struct pin_op *op, struct pin_predict *p);
	/* Foretell unpin(); NULL: all that pin() left, and its VmPin. */
	void (*predict_unpin)(const struct pin_op *op, const struct pin_predict *pin,
			      struct pin_predict *p);
	/* 0 or bytes moved, or a negative errno. */
	long (*pin)(struct pin_op *op);
	/*
	 * What pin(), or use() of what is held, moves the data from or to, if that is memory
	 * of this process, or shared with it: op->mem->len bytes, from open() to close(), if
	 * op->compares. Optional.
	 */
	void *(*other_side)(struct pin_op *op);
	/* Work on pinned pages: no new pins. 0 or -errno. Optional. */
	long (*use)(struct pin_op *op);
	/* NULL: only close() lets go. */
	long (*unpin)(struct pin_op *op);
	/* Let go of everything, pins included. */
	void (*close)(struct pin_op *op);
};

extern const struct pin_consumer *const pin_consumers[];
extern const unsigned int pin_nr_consumers;

const struct pin_consumer *pin_consumer_find(const char *name);

/* Pages of @kind to allocate for it: what it wants, or if that is all the same @any. */
unsigned int pin_consumer_pages(const struct pin_consumer *c, const struct pin_kernel *k,
				const struct pin_memkind *kind, unsigned int any);

/* Set @why and return @err: for probe and open. */
int pin_why(char *why, int err, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/*
 * Pages still held per large folio, when io_uring keeps only one pin for each:
 * returns how many of @m's @pages it gives back while registering.
 */
unsigned int pin_uring_coalesced(const struct pin_mem *m);

/* Pages that registering @m adds to VmPin: whole folios. */
unsigned int pin_uring_accounted(const struct pin_mem *m);

/* The common case: @p for a call that pins all of op->mem and fails whole. */
void pin_predict_all_or_nothing(const struct pin_op *op, const struct pin_access *a,
				struct pin_predict *p);

/* If op->mem does not begin and end at @grain bytes it is refused: @p is that, and true. */
bool pin_predict_unaligned(const struct pin_op *op, size_t grain, struct pin_predict *p);

/* So many pages long-term, by a call that returns @result. */
struct pin_predict pin_predict_longterm(const struct pin_kernel *k, uint64_t acquired,
					uint64_t released, long result);

/*
 * Long-term pins that count in VmPin: @pins pages more of both (or less: < 0), by
 * a call that returns @result.
 */
struct pin_predict pin_predict_counted(const struct pin_kernel *k, int64_t pins, long result);

#endif
