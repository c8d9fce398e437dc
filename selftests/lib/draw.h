/* SPDX-License-Identifier: GPL-2.0 */
/* Pieces of memory that start and end where something may be got wrong, drawn by a seed. */
#ifndef PIN_DRAW_H
#define PIN_DRAW_H

#include <stddef.h>
#include <stdint.h>

#include "memory.h"

/* The next number: splitmix64, the same everywhere. */
uint64_t pin_draw(uint64_t *state);

/*
 * A piece of @m, of whole multiples of @grain bytes from its beginning on; the same for
 * the same @state. To be cut out by pin_mem_cut().
 */
void pin_draw_piece(uint64_t state, const struct pin_mem *m, size_t grain, size_t *skip,
		    size_t *len);

#endif
