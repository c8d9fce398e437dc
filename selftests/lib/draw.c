// SPDX-License-Identifier: GPL-2.0
#include "draw.h"

uint64_t pin_draw(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15ull;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ z >> 27) * 0x94d049bb133111ebull;
	return z ^ z >> 31;
}

/* A place that something may get wrong: at, just before or just behind a border. */
static size_t draw_place(uint64_t *state, const struct pin_mem *m, size_t grain)
{
	const size_t ps = m->kernel->page_size;
	const uint64_t how = pin_draw(state) % 8, where = pin_draw(state);
	const size_t border[4] = {
		m->before * ps,
		(m->before + (m->folio_pages > 1 ? m->folio_pages : 0)) * ps,
		m->len - m->after * ps,
		m->hole < m->pages ? m->hole * ps : 0,
	};
	size_t at = border[where % 4];

	if (how < 2)
		at = where % (m->len / grain) * grain;
	else if (how < 5)
		at = where % (m->len / ps) * ps;
	else if (how == 6)
		at += (where >> 8) % 4 * ps;
	else if (how == 7)
		at += (where >> 8) % 2 ? grain : -grain;
	return at < m->len ? at : m->len - grain;
}

void pin_draw_piece(uint64_t state, const struct pin_mem *m, size_t grain, size_t *skip,
		    size_t *len)
{
	size_t from = draw_place(&state, m, grain), to = draw_place(&state, m, grain);

	if (from > to) {
		*skip = to;
		*len = from - to;
	} else {
		*skip = from;
		*len = to - from;
	}
	if (!*len)
		*len = m->len - *skip;
}
