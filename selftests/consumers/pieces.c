// SPDX-License-Identifier: GPL-2.0
#include "dio.h"
#include "pieces.h"

#define MOST_PAGES	24

size_t pin_piece(const struct pin_op *op, size_t done, size_t pages)
{
	const long ps = op->kernel->page_size;
	uintptr_t at = (uintptr_t)op->mem->addr + done;
	size_t len = pages * ps - (at & (ps - 1));

	return len < op->mem->len - done ? len : op->mem->len - done;
}

unsigned int pin_piece_pages(const struct pin_kernel *k, size_t bytes)
{
	size_t pages = bytes / k->page_size;

	return !pages ? 1 : pages < MOST_PAGES ? pages : MOST_PAGES;
}

long pin_pieces_before(const struct pin_op *op, size_t bad, size_t pages)
{
	const long ps = op->kernel->page_size;

	bad = bad / pages * pages;
	return bad ? bad * ps - ((uintptr_t)op->mem->addr & (ps - 1)) : 0;
}

void pin_pieces_predict(const struct pin_op *op, const struct pin_access *a,
			size_t pages, struct pin_predict *p)
{
	const struct pin_mem *m = op->mem;
	size_t calls = (m->pages + pages - 1) / pages;
	struct pin_gup g;

	pin_mem_gup(m, a, &g);
	p->acquired = g.pinned - g.uncounted + (g.undone < pages ? g.undone : pages);
	/* A huge page that the first call splits is none for the others. */
	if (g.undone && !g.err)
		p->acquired += calls - 1;
	p->released = p->acquired;
	p->result = m->len;
	if (g.err) {
		/* Refused at once, or a hole further on. */
		p->result = m->hole < m->pages ? pin_pieces_before(op, m->hole, pages) : 0;
		if (!p->result)
			p->result = g.err;
	}
	p->or_result = p->result;
}

void pin_pieces_predict_vectors(const struct pin_op *op, bool write, size_t pages,
				pin_piece_cut cut, struct pin_predict *p)
{
	struct iovec iov[PIN_PIECE_VECTOR];
	size_t done = 0, len;
	long err = 0;

	for (; done < op->mem->len && !err; done += len) {
		struct pin_predict one = { .acquired = 0 };
		struct pin_mem mem = *op->mem;
		struct pin_op part = *op;

		len = pin_piece(op, done, pages);
		pin_mem_cut(&mem, done, len);
		part.mem = &mem;
		pin_dio_predict_pieces(&part, write, iov, cut(op->kernel, iov, mem.addr, len),
				       &one);
		p->acquired += one.acquired;
		if (one.result < 0) {
			err = one.result;
			len = 0;
		}
	}
	p->released = p->acquired;
	p->result = done ? (long)done : err;
	p->or_result = p->result;
}

long pin_pieces_transfer(struct pin_op *op, size_t pages,
			 long (*transfer)(struct pin_op *op, size_t done, size_t len))
{
	size_t done = 0, len;
	long err;

	while (done < op->mem->len) {
		len = pin_piece(op, done, pages);
		err = transfer(op, done, len);
		if (err)
			return done ? (long)done : err;
		done += len;
	}
	return done;
}
