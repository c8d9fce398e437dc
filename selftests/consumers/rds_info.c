// SPDX-License-Identifier: GPL-2.0
/*
 * getsockopt(RDS_INFO_COUNTERS) of an RDS socket: the kernel pins all of the
 * buffer before it writes the little there is to say.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "rds.h"
#include "scratch.h"

#define NEEDS		"module rds"
#define RDS_INFO_COUNTERS	10000

int pin_rds_probe(const struct pin_kernel *k, char *why)
{
	int fd, err = pin_scratch_module("rds", "RDS", NULL, why);

	(void)k;
	if (err < 0)
		return err;
	fd = socket(AF_RDS, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return pin_why(why, -errno, "socket(AF_RDS): %s: kernel option RDS",
			       strerror(errno));
	close(fd);
	return 0;
}

static int rds_open(struct pin_op *op)
{
	int fd = socket(AF_RDS, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return pin_why(op->why, -errno, "socket(AF_RDS): %s", strerror(errno));
	op->priv = (void *)(intptr_t)fd;
	return 0;
}

static void predict(const struct pin_op *op, struct pin_predict *p)
{
	const struct pin_access access = { .write = true, .fast = true };
	socklen_t all = 0;
	struct pin_gup g;

	pin_mem_gup(op->mem, &access, &g);
	p->acquired = g.pinned + g.undone;
	p->released = p->acquired;
	/* It tells a buffer of no bytes, for which it pins nothing, how many it has. */
	if (!g.err && getsockopt((intptr_t)op->priv, SOL_RDS, RDS_INFO_COUNTERS, NULL, &all) &&
	    errno == ENOSPC && op->mem->len < all)
		p->result = -ENOSPC;
	if (!g.err)
		return;
	/* Not all of it. None at all was the same before some 7.x. */
	p->or_result = -EAGAIN;
	p->result = g.pinned ? -EAGAIN : g.err;
}

static long rds_get(struct pin_op *op)
{
	socklen_t len = op->mem->len;

	/* The size of one counter, if all is well. */
	if (getsockopt((intptr_t)op->priv, SOL_RDS, RDS_INFO_COUNTERS, op->mem->addr, &len) < 0)
		return -errno;
	return len && len <= op->mem->len ? 0 : -EIO;
}

static void rds_close(struct pin_op *op)
{
	close((intptr_t)op->priv);
}

const struct pin_consumer pin_consumer_rds_info = {
	.name = "rds_info",
	.help = "RDS statistics by getsockopt",
	.path = "rds_info_getsockopt > pin_user_pages_fast",
	.since = "5.7",
	.doc_case = 5,
	.needs = NEEDS,
	.dirties = true,
	.probe = pin_rds_probe,
	.open = rds_open,
	.predict = predict,
	.pin = rds_get,
	.close = rds_close,
};
