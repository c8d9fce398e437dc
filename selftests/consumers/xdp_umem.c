// SPDX-License-Identifier: GPL-2.0
/*
 * AF_XDP packet memory: setsockopt(XDP_UMEM_REG), no network device needed.
 * The pages are released by a work item after close(): by another one if the
 * socket is bound to a device.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "consumer.h"
#include "xdp.h"

#define CHUNK		2048	/* bytes: the smallest XDP takes */
#define RING		64	/* descriptors */
#define LOOPBACK	1	/* lo is that everywhere */

static int probe(const struct pin_kernel *k, char *why)
{
	int fd = socket(AF_XDP, SOCK_RAW | SOCK_CLOEXEC, 0);

	(void)k;
	if (fd < 0)
		return pin_why(why, -errno, errno == EPERM ?
			       "AF_XDP needs CAP_NET_RAW: run as root" :
			       "no AF_XDP: kernel option XDP_SOCKETS");
	close(fd);
	return 0;
}

static int xdp_open(struct pin_op *op)
{
	int fd = socket(AF_XDP, SOCK_RAW | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return pin_why(op->why, -errno, "socket(AF_XDP): %s", strerror(errno));
	op->priv = (void *)(intptr_t)fd;
	return 0;
}

static void predict(const struct pin_op *op, struct pin_predict *p)
{
	const struct pin_access access = { .write = true, .longterm = true };
	const struct pin_mem *m = op->mem;

	if ((uintptr_t)m->addr & (op->kernel->page_size - 1) || m->len % CHUNK) {
		p->result = -EINVAL;
		p->or_result = -EINVAL;
		return;
	}
	pin_predict_all_or_nothing(op, &access, p);
	/* Some pages, then none: the umem is told it is too big. */
	if (p->result == -EFAULT && p->acquired) {
		p->result = -ENOMEM;
		p->or_result = -ENOMEM;
	}
}

static long pin(struct pin_op *op)
{
	struct xdp_umem_reg reg = {
		.addr = (uintptr_t)op->mem->addr,
		.len = op->mem->len,
		.chunk_size = CHUNK,
	};

	if (setsockopt((intptr_t)op->priv, SOL_XDP, XDP_UMEM_REG, &reg, sizeof(reg)))
		return -errno;
	return 0;
}

static int open_bound(struct pin_op *op)
{
	static const int rings[] = { XDP_UMEM_FILL_RING, XDP_UMEM_COMPLETION_RING, XDP_RX_RING };
	const int entries = RING;
	int err = xdp_open(op);

	for (size_t i = 0; !err && i < sizeof(rings) / sizeof(rings[0]); i++) {
		if (setsockopt((intptr_t)op->priv, SOL_XDP, rings[i], &entries, sizeof(entries)))
			err = pin_why(op->why, -errno, "AF_XDP ring: %s", strerror(errno));
		if (err)
			close((intptr_t)op->priv);
	}
	return err;
}

/*
 * A queue is one socket's. While it is another's, or if there is no memory for
 * what binds them, the socket remains with what it has pinned.
 */
static long pin_bound(struct pin_op *op)
{
	const struct sockaddr_xdp queue = {
		.sxdp_family = AF_XDP,
		.sxdp_flags = XDP_COPY,
		.sxdp_ifindex = LOOPBACK,
	};
	long err = pin(op);

	if (!err && bind((intptr_t)op->priv, (const void *)&queue, sizeof(queue)) &&
	    errno != EBUSY && errno != ENOMEM)
		err = -errno;
	return err;
}

static void xdp_close(struct pin_op *op)
{
	close((intptr_t)op->priv);
}

const struct pin_consumer pin_consumer_xdp_bound = {
	.name = "xdp_bound",
	.help = "the packet memory of a socket that is bound to a queue of a device",
	.path = "xdp_umem_create > xdp_umem_reg > xdp_umem_pin_pages > pin_user_pages; xp_release_deferred",
	.since = "5.6",
	.doc_case = 2,
	.held = true,
	.charged = true,
	.dirties = true,
	.probe = probe,
	.open = open_bound,
	.predict = predict,
	.pin = pin_bound,
	.close = xdp_close,
};

const struct pin_consumer pin_consumer_xdp_umem = {
	.name = "xdp_umem",
	.help = "AF_XDP packet memory",
	.path = "xdp_umem_create > xdp_umem_reg > xdp_umem_pin_pages > pin_user_pages",
	.since = "5.6",
	.doc_case = 2,
	.held = true,
	.charged = true,
	.dirties = true,
	.probe = probe,
	.open = xdp_open,
	.predict = predict,
	.pin = pin,
	.close = xdp_close,
};
