/* SPDX-License-Identifier: GPL-2.0 */
/*
 * An attempt: a consumer opens, pins, works, lets go and closes, all in this
 * process, with something in its way at one of these steps. What comes of it
 * cannot be foretold; that all is given back can.
 */
#ifndef PIN_ATTEMPT_H
#define PIN_ATTEMPT_H

#include "consumer.h"

enum pin_stage {
	PIN_STAGE_PIN,
	PIN_STAGE_UNPIN,
	PIN_STAGE_CLOSE,
	PIN_NR_STAGES,
};

extern const char *const pin_stage_names[PIN_NR_STAGES];

/* What is in the way, from just before that step until just after it. */
struct pin_strain {
	enum pin_stage stage;
	void (*begin)(void *arg);
	void (*end)(void *arg);
	void *arg;
};

struct pin_attempt {
	bool reached;		/* the step with the strain was taken */
	long pinned;		/* what pin() returned */
	long used, unpinned;	/* the same of use() and unpin(), else 0 */
	struct pin_predict pin;	/* foretold as if nothing were in the way */
};

/*
 * Make the attempt with op->mem, which is there; @strain: NULL if nothing is in the
 * way. Returns 0, or what open() failed with and op->why.
 */
int pin_attempt(struct pin_op *op, const struct pin_strain *strain,
		struct pin_attempt *a);

/* True if pin() did what was foretold. */
bool pin_attempt_succeeded(const struct pin_attempt *a);

/* True if a second attempt needs memory of its own. */
bool pin_attempt_spends(const struct pin_memkind *kind);

#endif
