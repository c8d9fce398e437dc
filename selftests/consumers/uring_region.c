// SPDX-License-Identifier: GPL-2.0
/*
 * IORING_REGISTER_MEM_REGION: user memory that holds the arguments of waiting
 * calls, pinned until the ring is gone. Not in VmPin.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "uring.h"

static long register_region(struct io_uring *ring, struct pin_uring_region *region)
{
	const struct pin_uring_region_reg reg = {
		.region = (uintptr_t)region,
		.flags = PIN_IORING_REGION_WAIT_ARG,
	};

	return pin_uring_register(ring->ring_fd, PIN_IORING_REGISTER_MEM_REGION, &reg, 1);
}

static int probe(const struct pin_kernel *k, char *why)
{
	struct io_uring ring;
	int err = pin_uring_new(&ring, IORING_SETUP_R_DISABLED, why);

	(void)k;
	if (err)
		return err;
	/* No description is a bad address, says a kernel that knows the call. */
	err = register_region(&ring, NULL);
	io_uring_queue_exit(&ring);
	if (err == -EFAULT)
		return 0;
	return pin_why(why, err ? err : -EIO, "io_uring has no memory regions here (%s): Linux 6.13 or later",
		       strerror(-err));
}

static int region_open(struct pin_op *op)
{
	/* Arguments of waiting calls: only as long as nobody can wait. */
	return pin_uring_open_as(op, IORING_SETUP_R_DISABLED);
}

static void predict(const struct pin_op *op, struct pin_predict *p)
{
	if (!pin_predict_unaligned(op, op->kernel->page_size, p))
		pin_uring_predict_pages(op, op->mem->len, p);
}

static long pin(struct pin_op *op)
{
	struct pin_uring_region region = {
		.addr = (uintptr_t)op->mem->addr,
		.size = op->mem->len,
		.flags = PIN_IORING_REGION_USER,
	};

	return register_region(op->priv, &region);
}

const struct pin_consumer pin_consumer_uring_region = {
	.name = "uring_region",
	.help = "io_uring memory region in user memory",
	.path = "io_register_mem_region > io_create_region > io_pin_pages > pin_user_pages_fast",
	.since = "6.13",
	.doc_case = 2,
	.held = true,
	.charged = true,
	.probe = probe,
	.open = region_open,
	.predict = predict,
	.pin = pin,
	.close = pin_uring_close,
};
