// SPDX-License-Identifier: GPL-2.0
/*
 * What a worker does next. Each step depends on the seed, the worker's number
 * and the step's number alone, so that a run can be repeated whatever happened
 * in it, and a worker that replaces a killed one goes on with the next step.
 */
#include "pinstress.h"
#include "chaos.h"

/* splitmix64 */
uint64_t draw_number(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15ull;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
	return z ^ (z >> 31);
}

static unsigned int below(uint64_t *state, unsigned int n)
{
	return draw_number(state) % n;
}

/* Each power of two as likely as any other, and half of the time not one. */
static unsigned int size_between(uint64_t *state, unsigned int min, unsigned int max)
{
	unsigned int powers = 0, n;

	while (powers < 30 && min << (powers + 1) <= max)
		powers++;
	n = min << below(state, powers + 1);
	if (draw_number(state) & 1)
		n += below(state, n);
	return n < max ? n : max;
}

static unsigned int position_of(const struct pin_counters *c, int node_id)
{
	int i = 0;

	while (i < c->nr_nodes - 1 && c->node_id[i] != node_id)
		i++;
	return i;
}

void draw_step(const struct run *r, unsigned int worker, uint64_t n, struct step *s)
{
	const struct choice *c = &r->choice;
	uint64_t state = r->opt->seed, mix;
	unsigned int chaos;

	mix = draw_number(&state) ^ worker;
	mix = draw_number(&mix) ^ n;
	state = mix;
	s->consumer_id = c->consumer[below(&state, c->nr_consumers)];
	/* The first one is to leave something for the first checkpoint. */
	if (!n && c->nr_held)
		s->consumer_id = c->held[below(&state, c->nr_held)];
	s->consumer = pin_consumers[s->consumer_id];
	s->kind_id = c->kind[n ? below(&state, c->nr_kinds) : 0];
	s->kind = pin_memkinds[s->kind_id];
	s->pages = pin_consumer_pages(s->consumer, &r->kernel, s->kind,
				      size_between(&state, r->opt->min_pages, r->opt->max_pages));
	s->repeat = size_between(&state, 1, r->opt->repeat);
	s->node = r->counters.nr_nodes ? below(&state, r->counters.nr_nodes) : 0;
	if (r->opt->node != NODE_SPREAD)
		s->node = position_of(&r->counters, r->opt->node);
	s->keep = below(&state, 2) || !n;
	s->after = -1;
	s->beside = -1;
	chaos = below(&state, 4);
	if (c->nr_memory_chaos && n) {
		int which = c->memory_chaos[below(&state, c->nr_memory_chaos)];

		if (chaos == 0)
			s->beside = which;
		else if (chaos == 1 && s->consumer->held)
			s->after = which;
	}
	if (s->beside >= 0)
		s->keep = false;
	else if (s->after >= 0)
		s->keep = true;
	s->noise = draw_number(&state);
}

uint64_t draw_hash(uint64_t hash, const struct step *s)
{
	const uint64_t parts[] = {
		s->consumer_id, s->kind_id, s->pages, s->repeat, s->node,
		s->keep, s->after, s->beside, s->noise,
	};

	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		hash ^= parts[i];
		hash = draw_number(&hash);
	}
	return hash;
}
