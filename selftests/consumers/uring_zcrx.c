// SPDX-License-Identifier: GPL-2.0
/*
 * IORING_REGISTER_ZCRX_IFQ: the area that packets are received to, long-term, until
 * the ring is gone. There need not be a network card: all is copied there then.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "zcrx.h"

void pin_zcrx_fill(struct pin_zcrx *z, const void *addr, size_t len, size_t page)
{
	memset(z, 0, sizeof(*z));
	z->area.addr = (uintptr_t)addr;
	z->area.len = len;
	z->region.size = page;
	z->reg.rq_entries = 1;
	z->reg.flags = PIN_ZCRX_REG_NODEV;
	z->reg.area = (uintptr_t)&z->area;
	z->reg.region = (uintptr_t)&z->region;
}

int pin_zcrx_register(struct io_uring *ring, struct pin_zcrx *z)
{
	return pin_uring_register(ring->ring_fd, PIN_IORING_REGISTER_ZCRX_IFQ, &z->reg, 1);
}

int pin_zcrx_ctrl(struct io_uring *ring, struct pin_zcrx_ctrl *ctrl)
{
	return pin_uring_register(ring->ring_fd, PIN_IORING_REGISTER_ZCRX_CTRL, ctrl, 0);
}

unsigned int pin_zcrx_accounted(const struct pin_mem *m)
{
	return strcmp(m->kind->name, "alias") ? pin_uring_accounted(m) : 1;
}

int pin_zcrx_probe(const struct pin_kernel *k, char *why)
{
	struct io_uring ring;
	struct pin_zcrx z;
	int err = pin_uring_probe(k, why);

	if (err)
		return err;
	err = pin_uring_new(&ring, PIN_ZCRX_RING, why);
	if (!err) {
		pin_zcrx_fill(&z, NULL, 0, k->page_size);
		/* No description is a bad address, says a kernel that does without a device. */
		z.reg.area = 0;
		err = pin_zcrx_register(&ring, &z);
		io_uring_queue_exit(&ring);
	}
	if (err == -EFAULT)
		return 0;
	if (err == -EPERM)
		return pin_why(why, err, "zero-copy receive needs CAP_NET_ADMIN: run as root");
	return pin_why(why, err ? err : -EIO, "io_uring has no zero-copy receive without a network card here (%s): Linux 7.1 or later",
		       strerror(-err));
}

static int zcrx_open(struct pin_op *op)
{
	return pin_uring_open_as(op, PIN_ZCRX_RING);
}

static void predict(const struct pin_op *op, struct pin_predict *p)
{
	if (pin_predict_unaligned(op, op->kernel->page_size, p))
		return;
	pin_uring_predict_pages(op, op->mem->len, p);
	if (!p->result)
		p->vmpin = pin_zcrx_accounted(op->mem);
}

static long pin(struct pin_op *op)
{
	struct pin_zcrx z;

	pin_zcrx_fill(&z, op->mem->addr, op->mem->len, op->kernel->page_size);
	return pin_zcrx_register(op->priv, &z);
}

const struct pin_consumer pin_consumer_uring_zcrx = {
	.name = "uring_zcrx",
	.help = "io_uring zero-copy receive: the area, without a network card",
	.path = "io_register_zcrx > io_zcrx_create_area > io_import_umem > io_pin_pages > pin_user_pages_fast",
	.since = "7.1",
	.doc_case = 2,
	.held = true,
	.charged = true,
	.probe = pin_zcrx_probe,
	.open = zcrx_open,
	.predict = predict,
	.pin = pin,
	.close = pin_uring_close,
};
