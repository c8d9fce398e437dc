// SPDX-License-Identifier: GPL-2.0
#include <string.h>
#include <sys/mman.h>

#include "ledger.h"

struct ledger *ledger_new(unsigned int lines)
{
	struct ledger *l = mmap(NULL, sizeof(*l) + lines * sizeof(l->line[0]),
				PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (l == MAP_FAILED)
		return NULL;
	l->nr_lines = lines;
	for (unsigned int i = 0; i < lines; i++) {
		l->line[i].consumer_id = -1;
		l->line[i].kind_id = -1;
	}
	return l;
}

void ledger_begin(struct line *l, unsigned int node, uint64_t bound)
{
	struct intent *in = &l->intent;

	in->node = node;
	in->all = l->books.all;
	in->on_node = l->books.node[node];
	in->slack = l->books.slack;
	in->disturbed = l->books.disturbed;
	in->excused = l->books.excused;
	in->vmpin = l->books.vmpin;
	in->bound = bound;
	__atomic_store_n(&in->open, 1, __ATOMIC_RELEASE);
	/* Nothing of the call before it is known that it comes. */
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
}

void ledger_end(struct line *l, const struct pin_count *moved, bool any_node,
		uint64_t slack, int64_t excused, int64_t vmpin)
{
	struct books *b = &l->books;

	b->all.acquired += moved->acquired;
	b->all.released += moved->released;
	if (!any_node) {
		b->node[l->intent.node].acquired += moved->acquired;
		b->node[l->intent.node].released += moved->released;
	}
	b->slack += slack;
	b->excused += excused;
	b->vmpin += vmpin;
	__atomic_store_n(&l->intent.open, 0, __ATOMIC_RELEASE);
}

bool ledger_close_line(struct line *l)
{
	struct intent *in = &l->intent;
	struct books *b = &l->books;
	bool open = __atomic_load_n(&in->open, __ATOMIC_ACQUIRE);

	if (open) {
		/* It may have been killed half-way through ledger_end(). */
		b->all = in->all;
		b->node[in->node] = in->on_node;
		b->slack = in->slack + in->bound;
		b->disturbed = in->disturbed + 1;
		b->excused = in->excused;
		in->open = 0;
	}
	b->all.released = b->all.acquired;
	for (unsigned int i = 0; i < PIN_MAX_NODES; i++)
		b->node[i].released = b->node[i].acquired;
	b->vmpin = 0;
	l->kept = 0;
	l->pid = 0;
	l->parked = 0;
	l->stopped = false;
	l->killed = false;
	l->consumer_id = -1;
	l->kind_id = -1;
	return open;
}

void ledger_sum(const struct ledger *l, struct books *sum)
{
	memset(sum, 0, sizeof(*sum));
	for (unsigned int i = 0; i < l->nr_lines; i++) {
		const struct books *b = &l->line[i].books;

		sum->all.acquired += b->all.acquired;
		sum->all.released += b->all.released;
		for (unsigned int n = 0; n < PIN_MAX_NODES; n++) {
			sum->node[n].acquired += b->node[n].acquired;
			sum->node[n].released += b->node[n].released;
		}
		sum->slack += b->slack;
		sum->disturbed += b->disturbed;
		sum->excused += b->excused;
		sum->vmpin += b->vmpin;
	}
}

void books_since(const struct books *then, const struct books *now, struct books *diff)
{
	diff->all.acquired = now->all.acquired - then->all.acquired;
	diff->all.released = now->all.released - then->all.released;
	for (unsigned int n = 0; n < PIN_MAX_NODES; n++) {
		diff->node[n].acquired = now->node[n].acquired - then->node[n].acquired;
		diff->node[n].released = now->node[n].released - then->node[n].released;
	}
	diff->slack = now->slack - then->slack;
	diff->disturbed = now->disturbed - then->disturbed;
	diff->excused = now->excused - then->excused;
	diff->vmpin = now->vmpin - then->vmpin;
}

/* All of struct activity is numbers of one type. */
#define NUMBERS	(sizeof(struct activity) / sizeof(uint64_t))

void activity_add(struct activity *sum, const struct activity *a)
{
	uint64_t *to = (uint64_t *)sum;
	const uint64_t *from = (const uint64_t *)a;

	for (size_t i = 0; i < NUMBERS; i++)
		to[i] += from[i];
}

void activity_since(const struct activity *then, const struct activity *now,
		    struct activity *diff)
{
	uint64_t *to = (uint64_t *)diff;
	const uint64_t *old = (const uint64_t *)then, *new = (const uint64_t *)now;

	for (size_t i = 0; i < NUMBERS; i++)
		to[i] = new[i] - old[i];
}

void ledger_activity(const struct ledger *l, struct activity *sum)
{
	memset(sum, 0, sizeof(*sum));
	for (unsigned int i = 0; i < l->nr_lines; i++)
		activity_add(sum, &l->line[i].done);
	for (unsigned int i = 0; i < LEDGER_CHAOS; i++)
		sum->chaos[i] += l->machine_chaos[i];
}
