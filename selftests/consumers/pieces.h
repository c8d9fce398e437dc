/* SPDX-License-Identifier: GPL-2.0 */
/* Consumers that go over the memory piece by piece, each in a call of its own. */
#ifndef PIN_PIECES_H
#define PIN_PIECES_H

#include <sys/uio.h>

#include "consumer.h"

#define PIN_PIECE_VECTOR	2	/* parts of a vector, at most */

/* A vector of @len bytes from @data on: into @iov, returns its parts. */
typedef unsigned int (*pin_piece_cut)(const struct pin_kernel *k, struct iovec *iov, void *data,
				      size_t len);

/* Bytes of op->mem from @done on, to the border of the @pages-th page. */
size_t pin_piece(const struct pin_op *op, size_t done, size_t pages);

/*
 * Pages for one call, when devices take @bytes at least and pin_user_pages()
 * is to be called more than once for it where pages are small.
 */
unsigned int pin_piece_pages(const struct pin_kernel *k, size_t bytes);

/* What the pieces of @pages come to that lie before page @bad. */
long pin_pieces_before(const struct pin_op *op, size_t bad, size_t pages);

/* Foretell pieces of @pages: each is had as a whole, or fails and ends it. */
void pin_pieces_predict(const struct pin_op *op, const struct pin_access *a,
			size_t pages, struct pin_predict *p);

/*
 * The same if each is a vector: the parts are pinned each for itself, and what is pinned
 * of a piece that fails is given back.
 */
void pin_pieces_predict_vectors(const struct pin_op *op, bool write, size_t pages,
				pin_piece_cut cut, struct pin_predict *p);

/*
 * Do it: @transfer takes @len bytes from @done on, returns 0 or -errno. Returns
 * the bytes done, or the error if that was the first.
 */
long pin_pieces_transfer(struct pin_op *op, size_t pages,
			 long (*transfer)(struct pin_op *op, size_t done, size_t len));

#endif
