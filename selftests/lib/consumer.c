// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "consumer.h"

#define PIN_CONSUMER(name)	extern const struct pin_consumer pin_consumer_##name;
#include "../consumers/registry.h"
#undef PIN_CONSUMER

const struct pin_consumer *const pin_consumers[] = {
#define PIN_CONSUMER(name)	&pin_consumer_##name,
#include "../consumers/registry.h"
#undef PIN_CONSUMER
};

const unsigned int pin_nr_consumers = sizeof(pin_consumers) / sizeof(pin_consumers[0]);

const struct pin_consumer *pin_consumer_find(const char *name)
{
	for (unsigned int i = 0; i < pin_nr_consumers; i++) {
		if (!strcmp(pin_consumers[i]->name, name))
			return pin_consumers[i];
	}
	return NULL;
}

unsigned int pin_consumer_pages(const struct pin_consumer *c, const struct pin_kernel *k,
				const struct pin_memkind *kind, unsigned int any)
{
	return c->pages && !kind->huge ? c->pages(k) : any;
}

int pin_why(char *why, int err, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(why, PIN_WHY_LEN, fmt, ap);
	va_end(ap);
	return err;
}

unsigned int pin_uring_coalesced(const struct pin_mem *m)
{
	unsigned int folios = pin_mem_folios(m);

	/* All of one size, or each page stays. */
	if (m->folio_pages == 1 || m->pages == 1 || m->before || m->after ||
	    m->kernel->uring_coalesce == PIN_COALESCE_NONE ||
	    (m->kernel->uring_coalesce == PIN_COALESCE_SINGLE && folios > 1))
		return 0;
	return m->pages - folios;
}

unsigned int pin_uring_accounted(const struct pin_mem *m)
{
	return m->folio_pages == 1 ? m->pages :
	       m->before + pin_mem_folios(m) * m->folio_pages + m->after;
}

void pin_predict_all_or_nothing(const struct pin_op *op, const struct pin_access *a,
				struct pin_predict *p)
{
	struct pin_gup g;

	pin_mem_gup(op->mem, a, &g);
	p->acquired = g.pinned - g.uncounted + g.undone;
	p->released = g.undone;
	if (g.err) {
		/* What was pinned before the bad page is given back. */
		p->released = p->acquired;
		p->result = g.err;
		p->or_result = g.err;
	}
	if (a->longterm && op->kernel->movable_memory)
		p->migrated = p->acquired;
}

bool pin_predict_unaligned(const struct pin_op *op, size_t grain, struct pin_predict *p)
{
	if (!(((uintptr_t)op->mem->addr | op->mem->len) & (grain - 1)))
		return false;
	p->result = -EINVAL;
	p->or_result = -EINVAL;
	return true;
}

struct pin_predict pin_predict_longterm(const struct pin_kernel *k, uint64_t acquired,
					uint64_t released, long result)
{
	return (struct pin_predict){
		.acquired = acquired,
		.released = released,
		.migrated = k->movable_memory ? acquired : 0,
		.result = result,
		.or_result = result,
	};
}

struct pin_predict pin_predict_counted(const struct pin_kernel *k, int64_t pins, long result)
{
	struct pin_predict p = pin_predict_longterm(k, pins > 0 ? pins : 0, pins < 0 ? -pins : 0,
						    result);

	p.vmpin = pins;
	return p;
}
