// SPDX-License-Identifier: GPL-2.0
/*
 * IORING_REGISTER_BUFFERS: one fixed buffer, long-term.
 *
 * Since 6.12 (one folio: 6.4) a buffer made of large folios keeps one pin per
 * folio; the others are given back while registering.
 */
#include "uring.h"

static long pin(struct pin_op *op)
{
	struct iovec iov = { op->mem->addr, op->mem->len };

	return io_uring_register_buffers(op->priv, &iov, 1);
}

static long use(struct pin_op *op)
{
	return pin_uring_use_fixed(op->priv, op->mem, 0);
}

static long unpin(struct pin_op *op)
{
	return io_uring_unregister_buffers(op->priv);
}

const struct pin_consumer pin_consumer_uring_buffers = {
	.name = "uring_buffers",
	.help = "io_uring fixed buffer",
	.path = "io_sqe_buffer_register > io_pin_pages > pin_user_pages_fast",
	.since = "5.6",
	.doc_case = 2,
	.held = true,
	.charged = true,
	.by_anyone = true,
	.any_byte = true,
	.probe = pin_uring_probe,
	.open = pin_uring_open,
	.predict = pin_uring_predict,
	.pin = pin,
	.use = use,
	.unpin = unpin,
	.close = pin_uring_close,
};
