// SPDX-License-Identifier: GPL-2.0
/*
 * IORING_REGISTER_BUFFERS_UPDATE: a fixed buffer goes into a slot of a sparse
 * table, and out of it again when another one takes its place, which then has to
 * go, too, as the slot is set to nothing.
 *
 * From 5.13 to 6.3 what leaves a slot is released by a work item one second
 * later; since then at once, unless a request uses it.
 */
#include <errno.h>
#include <sys/mman.h>

#include "uring.h"

#define SLOTS	4
#define SLOT	2	/* the one that is used */
#define LATE_MS	3000	/* a second, and what a busy machine adds */

static int probe(const struct pin_kernel *k, char *why)
{
	struct io_uring ring;
	int err = pin_uring_new(&ring, 0, why);

	(void)k;
	if (err)
		return err;
	err = io_uring_register_buffers_sparse(&ring, SLOTS);
	if (err)
		pin_why(why, err, "io_uring has no sparse buffer tables here: Linux 5.19 or later");
	io_uring_queue_exit(&ring);
	return err;
}

static int update_open(struct pin_op *op)
{
	int err = pin_uring_open(op);

	if (err)
		return err;
	err = io_uring_register_buffers_sparse(op->priv, SLOTS);
	if (err)
		pin_why(op->why, err, "io_uring_register_buffers_sparse failed");
	return err;
}

/* The number of slots done, or what the first one failed with. */
static void predict(const struct pin_op *op, struct pin_predict *p)
{
	pin_uring_predict(op, p);
	if (!p->result) {
		p->result = 1;
		p->or_result = 1;
	}
}

static void predict_unpin(const struct pin_op *op, const struct pin_predict *pin,
			  struct pin_predict *p)
{
	p->acquired = 1;
	p->released = 1 + pin->acquired - pin->released;
	p->migrated = op->kernel->movable_memory ? 1 : 0;
	p->vmpin = -pin->vmpin;
	if (op->kernel->version < PIN_KVER(6, 4))
		p->late_ms = LATE_MS;
	p->result = 1;
	p->or_result = 1;
}

static long set_slot(struct pin_op *op, void *addr, size_t len)
{
	const struct iovec iov = { addr, len };
	const __u64 tag = 0;

	return io_uring_register_buffers_update_tag(op->priv, SLOT, &iov, &tag, 1);
}

static long pin(struct pin_op *op)
{
	return set_slot(op, op->mem->addr, op->mem->len);
}

static long use(struct pin_op *op)
{
	return pin_uring_use_fixed(op->priv, op->mem, SLOT);
}

static long unpin(struct pin_op *op)
{
	const size_t ps = op->kernel->page_size;
	void *other = mmap(NULL, ps, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	long n;

	if (other == MAP_FAILED)
		return -errno;
	n = set_slot(op, other, ps);
	munmap(other, ps);
	return n == 1 ? set_slot(op, NULL, 0) : n;
}

const struct pin_consumer pin_consumer_uring_update = {
	.name = "uring_update",
	.help = "io_uring fixed buffer in a slot of a sparse table",
	.path = "__io_sqe_buffers_update > io_sqe_buffer_register > io_pin_pages > pin_user_pages_fast",
	.since = "5.13",
	.doc_case = 2,
	.held = true,
	.charged = true,
	.probe = probe,
	.open = update_open,
	.predict = predict,
	.predict_unpin = predict_unpin,
	.pin = pin,
	.use = use,
	.unpin = unpin,
	.close = pin_uring_close,
};
