// SPDX-License-Identifier: GPL-2.0
/*
 * IORING_SETUP_NO_MMAP: the rings live in memory of ours, pinned as long as
 * the ring exists: completion and submission ring in the first pages of the
 * buffer, submission entries in those that follow. Not in VmPin.
 *
 * Before 6.10 each area had to be one page or one huge page: those kernels get
 * the largest ring that needs no more than a page for each.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "uring.h"

#define MAX_ENTRIES	32768u

struct layout {
	unsigned int entries;
	size_t rings, sqes;	/* bytes, whole pages */
};

static int setup(unsigned int entries, struct pin_uring_params *p)
{
	int fd = syscall(__NR_io_uring_setup, entries, p);

	return fd < 0 ? -errno : fd;
}

/* An ordinary ring tells how long the areas are, whatever the architecture. */
static int areas(const struct pin_kernel *k, unsigned int entries, struct layout *l)
{
	struct pin_uring_params p = { .flags = 0 };
	size_t page = k->page_size;
	int fd = setup(entries, &p);

	if (fd < 0)
		return fd;
	close(fd);
	l->entries = entries;
	l->rings = (p.sq.array + p.sq_entries * sizeof(uint32_t) + page - 1) & ~(page - 1);
	l->sqes = (p.sq_entries * sizeof(struct io_uring_sqe) + page - 1) & ~(page - 1);
	return 0;
}

/* The largest ring that fits. */
static int fit(const struct pin_kernel *k, size_t room, struct layout *best)
{
	struct layout l = { .entries = 0 };
	int err;

	for (unsigned int n = 1; n <= MAX_ENTRIES; n *= 2) {
		err = areas(k, n, &l);
		/* What is tried must not be larger than RLIMIT_MEMLOCK either. */
		if (err == -ENOMEM && best->entries)
			break;
		if (err)
			return err;
		if (l.rings + l.sqes > room ||
		    (n > 1 && k->version < PIN_KVER(6, 10) &&
		     l.rings + l.sqes > 2 * (size_t)k->page_size))
			break;
		*best = l;
	}
	return 0;
}

static int setup_in(const struct layout *l, void *addr, struct pin_uring_params *p)
{
	memset(p, 0, sizeof(*p));
	p->flags = PIN_IORING_SETUP_NO_MMAP;
	p->cq.rings = (uintptr_t)addr;
	p->sq.sqes = (uintptr_t)addr + l->rings;
	return setup(l->entries, p);
}

static int probe(const struct pin_kernel *k, char *why)
{
	const struct layout nowhere = { .entries = 1, .rings = 0 };
	struct pin_uring_params p;
	int fd, err = pin_uring_probe(k, why);

	if (err)
		return err;
	/* No memory is a bad address, says a kernel that knows the flag. */
	fd = setup_in(&nowhere, NULL, &p);
	if (fd == -EFAULT)
		return 0;
	if (fd >= 0)
		close(fd);
	return pin_why(why, fd < 0 ? fd : -EIO, "io_uring does not take memory for rings here (%s): Linux 6.5 or later",
		       strerror(fd < 0 ? -fd : EIO));
}

struct nommap {
	struct layout layout;
	struct pin_uring_params params;
	int fd;
};

static int nommap_open(struct pin_op *op)
{
	struct nommap *n = calloc(1, sizeof(*n));
	int err;

	if (!n)
		return -ENOMEM;
	n->fd = -1;
	err = fit(op->kernel, op->mem->len, &n->layout);
	if (err) {
		free(n);
		return pin_why(op->why, err, "io_uring_setup: %s", strerror(-err));
	}
	if (!n->layout.entries) {
		free(n);
		return pin_why(op->why, -EINVAL, "rings and entries need two pages or more");
	}
	op->priv = n;
	return 0;
}

static void predict(const struct pin_op *op, struct pin_predict *p)
{
	const struct nommap *n = op->priv;

	if ((uintptr_t)op->mem->addr & (op->kernel->page_size - 1)) {
		p->result = -EINVAL;
		p->or_result = -EINVAL;
		return;
	}
	pin_uring_predict_pages(op, n->layout.rings + n->layout.sqes, p);
}

static long pin(struct pin_op *op)
{
	struct nommap *n = op->priv;

	n->fd = setup_in(&n->layout, op->mem->addr, &n->params);
	return n->fd < 0 ? n->fd : 0;
}

/* One request that does nothing, by hand: the kernel looks where we write. */
static long use(struct pin_op *op)
{
	const struct nommap *n = op->priv;
	char *rings = op->mem->addr;
	struct io_uring_sqe *sqe = (void *)(rings + n->layout.rings);
	struct io_uring_cqe *cqe = (void *)(rings + n->params.cq.cqes);
	uint32_t *array = (void *)(rings + n->params.sq.array);
	uint32_t *tail = (void *)(rings + n->params.sq.tail);

	/* Rings and entries in one and the same page cannot work. */
	if (!strcmp(op->mem->kind->name, "alias"))
		return 0;
	memset(sqe, 0, sizeof(*sqe));
	sqe->opcode = IORING_OP_NOP;
	sqe->user_data = op->mem->len;
	array[0] = 0;
	__atomic_store_n(tail, 1, __ATOMIC_RELEASE);
	if (syscall(__NR_io_uring_enter, n->fd, 1, 1, IORING_ENTER_GETEVENTS, NULL, 0) != 1)
		return errno ? -errno : -EIO;
	return cqe->user_data == op->mem->len && !cqe->res ? 0 : -EIO;
}

static void nommap_close(struct pin_op *op)
{
	struct nommap *n = op->priv;

	if (!n)
		return;
	if (n->fd >= 0)
		close(n->fd);
	free(n);
	op->priv = NULL;
}

const struct pin_consumer pin_consumer_uring_nommap = {
	.name = "uring_nommap",
	.help = "io_uring rings in user memory",
	.path = "io_allocate_scq_urings > io_pin_pages > pin_user_pages_fast",
	.since = "6.5",
	.doc_case = 2,
	.held = true,
	.probe = probe,
	.open = nommap_open,
	.predict = predict,
	.pin = pin,
	.use = use,
	.close = nommap_close,
};
