// SPDX-License-Identifier: GPL-2.0
/*
 * IORING_REGISTER_PBUF_RING: a ring of provided buffers in user memory. The
 * ring is pinned, not the buffers it lists. Not in VmPin.
 */
#include <errno.h>
#include <string.h>

#include "uring.h"

#define GROUP		1
#define MAX_ENTRIES	32768u

static int probe(const struct pin_kernel *k, char *why)
{
	struct io_uring_buf_reg reg = { .ring_entries = 1, .bgid = GROUP };
	struct io_uring ring;
	int err = pin_uring_new(&ring, 0, why);

	(void)k;
	if (err)
		return err;
	/* No address is a bad address, says a kernel that knows the call. */
	err = io_uring_register_buf_ring(&ring, &reg, 0);
	io_uring_queue_exit(&ring);
	if (err == -EFAULT)
		return 0;
	return pin_why(why, err ? err : -EIO, "io_uring has no provided-buffer rings here (%s): Linux 5.19 or later",
		       strerror(-err));
}

/* A power of two; as much of the buffer as can be. */
static unsigned int entries(const struct pin_op *op)
{
	unsigned int n = MAX_ENTRIES;

	while (n * sizeof(struct io_uring_buf) > op->mem->len)
		n /= 2;
	return n;
}

static void predict(const struct pin_op *op, struct pin_predict *p)
{
	if ((uintptr_t)op->mem->addr & (op->kernel->page_size - 1)) {
		p->result = -EINVAL;
		p->or_result = -EINVAL;
		return;
	}
	pin_uring_predict_pages(op, entries(op) * sizeof(struct io_uring_buf), p);
}

static long pin(struct pin_op *op)
{
	struct io_uring_buf_reg reg = {
		.ring_addr = (uintptr_t)op->mem->addr,
		.ring_entries = entries(op),
		.bgid = GROUP,
	};

	return io_uring_register_buf_ring(op->priv, &reg, 0);
}

static long unpin(struct pin_op *op)
{
	return io_uring_unregister_buf_ring(op->priv, GROUP);
}

const struct pin_consumer pin_consumer_uring_pbuf_ring = {
	.name = "uring_pbuf_ring",
	.help = "io_uring ring of provided buffers in user memory",
	.path = "io_register_pbuf_ring > io_pin_pages > pin_user_pages_fast",
	.since = "5.19",
	.doc_case = 2,
	.held = true,
	.by_anyone = true,
	.probe = probe,
	.open = pin_uring_open,
	.predict = predict,
	.pin = pin,
	.unpin = unpin,
	.close = pin_uring_close,
};
