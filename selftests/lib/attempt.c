// SPDX-License-Identifier: GPL-2.0
#include <string.h>

#include "attempt.h"

const char *const pin_stage_names[PIN_NR_STAGES] = {
	[PIN_STAGE_PIN] = "pin",
	[PIN_STAGE_UNPIN] = "unpin",
	[PIN_STAGE_CLOSE] = "close",
};

static bool begin(const struct pin_strain *s, enum pin_stage stage, struct pin_attempt *a)
{
	if (!s || s->stage != stage)
		return false;
	a->reached = true;
	s->begin(s->arg);
	return true;
}

int pin_attempt(struct pin_op *op, const struct pin_strain *s, struct pin_attempt *a)
{
	const struct pin_consumer *c = op->consumer;
	bool strained;
	int err;

	memset(a, 0, sizeof(*a));
	op->priv = NULL;
	err = c->open ? c->open(op) : 0;
	if (err)
		return err;
	if (op->mem->kind->arm)
		op->mem->kind->arm(op->mem);
	c->predict(op, &a->pin);

	strained = begin(s, PIN_STAGE_PIN, a);
	a->pinned = c->pin(op);
	if (strained)
		s->end(s->arg);
	if (pin_attempt_succeeded(a) && a->pinned >= 0) {
		if (c->use)
			a->used = c->use(op);
		if (c->unpin) {
			strained = begin(s, PIN_STAGE_UNPIN, a);
			a->unpinned = c->unpin(op);
			if (strained)
				s->end(s->arg);
		}
	}
	if (c->close) {
		strained = begin(s, PIN_STAGE_CLOSE, a);
		c->close(op);
		if (strained)
			s->end(s->arg);
	}
	return 0;
}

bool pin_attempt_succeeded(const struct pin_attempt *a)
{
	return a->pinned == a->pin.result || a->pinned == a->pin.or_result;
}

bool pin_attempt_spends(const struct pin_memkind *kind)
{
	/* Once armed, a hole may be filled by the next thing that is mapped. */
	return kind->once || kind->arm;
}
