// SPDX-License-Identifier: GPL-2.0
/*
 * IORING_REGISTER_CLONE_BUFFERS: a second ring shares the fixed buffer of a
 * first one, which then lets go. The clone alone keeps the pins, and their
 * share of VmPin: both change once, when the last ring lets go.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "uring.h"

struct rings {
	struct io_uring source, clone;
};

static long clone_buffers(struct rings *r)
{
	const struct pin_uring_clone arg = { .src_fd = r->source.ring_fd };

	return pin_uring_register(r->clone.ring_fd, PIN_IORING_REGISTER_CLONE_BUFFERS,
				  &arg, 1);
}

static int rings_init(struct rings *r, char *why)
{
	int err = pin_uring_new(&r->source, 0, why);

	if (err)
		return err;
	err = pin_uring_new(&r->clone, 0, why);
	if (err)
		io_uring_queue_exit(&r->source);
	return err;
}

static void rings_exit(struct rings *r)
{
	io_uring_queue_exit(&r->source);
	io_uring_queue_exit(&r->clone);
}

static int probe(const struct pin_kernel *k, char *why)
{
	struct rings r;
	int err = rings_init(&r, why);

	(void)k;
	if (err)
		return err;
	/* Nothing to clone, says a kernel that knows how. */
	err = clone_buffers(&r);
	rings_exit(&r);
	if (err == -ENXIO)
		return 0;
	return pin_why(why, err ? err : -EIO, "io_uring does not clone buffers here (%s): Linux 6.12 or later",
		       strerror(-err));
}

static int clone_open(struct pin_op *op)
{
	struct rings *r = calloc(1, sizeof(*r));
	int err = r ? rings_init(r, op->why) : -ENOMEM;

	if (err) {
		free(r);
		return err;
	}
	op->priv = r;
	return 0;
}

static long pin(struct pin_op *op)
{
	const struct iovec iov = { op->mem->addr, op->mem->len };
	struct rings *r = op->priv;
	long err = io_uring_register_buffers(&r->source, &iov, 1);

	if (!err)
		err = clone_buffers(r);
	if (!err)
		err = io_uring_unregister_buffers(&r->source);
	return err;
}

static long use(struct pin_op *op)
{
	struct rings *r = op->priv;

	return pin_uring_use_fixed(&r->clone, op->mem, 0);
}

static long unpin(struct pin_op *op)
{
	struct rings *r = op->priv;

	return io_uring_unregister_buffers(&r->clone);
}

static void clone_close(struct pin_op *op)
{
	if (!op->priv)
		return;
	rings_exit(op->priv);
	free(op->priv);
	op->priv = NULL;
}

const struct pin_consumer pin_consumer_uring_clone = {
	.name = "uring_clone",
	.help = "io_uring fixed buffer that only a clone of its table holds",
	.path = "io_sqe_buffer_register > io_pin_pages > pin_user_pages_fast; io_clone_buffers",
	.since = "6.12",
	.doc_case = 2,
	.held = true,
	.charged = true,
	.by_anyone = true,
	.probe = probe,
	.open = clone_open,
	.predict = pin_uring_predict,
	.pin = pin,
	.use = use,
	.unpin = unpin,
	.close = clone_close,
};
