// SPDX-License-Identifier: GPL-2.0
/*
 * IORING_OP_SEND_ZC over TCP to ourselves. From plain memory the pages get
 * references, never pins: a negative control. From a fixed buffer nothing is
 * added to the pins that the registration holds.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "uring.h"

#define FIXED_INDEX	0
#define QUIET_MS	5000	/* nothing moves that long: it hangs */
/*
 * io_sg_from_iter() charges a segment for all of the folio that lies before it.
 * In a huge page of 32 MiB that is more than the receiver has room for: it takes
 * one segment at a time, and all others must be sent again.
 */
#define FIXED_MAX	(64u << 10)	/* bytes */

struct zc {
	struct io_uring ring;
	int out, in;
	char *got;		/* what the peer has read of the last message, or NULL */
	size_t room, nr_got;
};

int pin_uring_tcp_pair(int *out, int *in)
{
	const struct linger reset = { .l_onoff = 1 };
	struct sockaddr_in addr = {
		.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	socklen_t len = sizeof(addr);
	int err = 0, listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	*in = -1;
	*out = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (listener < 0 || *out < 0 ||
	    setsockopt(*out, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset)) ||
	    bind(listener, (struct sockaddr *)&addr, sizeof(addr)) ||
	    listen(listener, 1) ||
	    getsockname(listener, (struct sockaddr *)&addr, &len) ||
	    connect(*out, (struct sockaddr *)&addr, sizeof(addr)))
		err = -errno;
	if (!err) {
		*in = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
		if (*in < 0)
			err = -errno;
	}
	if (listener >= 0)
		close(listener);
	if (err && *out >= 0)
		close(*out);
	return err;
}

static int probe(const struct pin_kernel *k, char *why)
{
	int err, out, in;

	(void)k;
	err = pin_uring_probe_op(IORING_OP_SEND_ZC, "IORING_OP_SEND_ZC", "6.0", why);
	if (err)
		return err;
	err = pin_uring_tcp_pair(&out, &in);
	if (err)
		return pin_why(why, err, "TCP over loopback: %s: ip link set lo up",
			       strerror(-err));
	close(out);
	close(in);
	return 0;
}

static int zc_open(struct pin_op *op)
{
	struct zc *z = calloc(1, sizeof(*z));
	int err = z ? pin_uring_new(&z->ring, 0, op->why) : -ENOMEM;

	if (err) {
		free(z);
		return err;
	}
	if (op->compares) {
		z->room = op->mem->len;
		z->got = malloc(z->room);
	}
	err = z->got || !op->compares ? pin_uring_tcp_pair(&z->out, &z->in) : -ENOMEM;
	if (err) {
		io_uring_queue_exit(&z->ring);
		free(z->got);
		free(z);
		return pin_why(op->why, err, "TCP over loopback: %s", strerror(-err));
	}
	op->priv = z;
	return 0;
}

static void zc_close(struct pin_op *op)
{
	struct zc *z = op->priv;

	if (!z)
		return;
	io_uring_queue_exit(&z->ring);
	close(z->out);
	close(z->in);
	free(z->got);
	free(z);
	op->priv = NULL;
}

static void receive_some(struct zc *z)
{
	ssize_t n;

	do {
		if (z->got)
			n = recv(z->in, z->got + z->nr_got, z->room - z->nr_got, MSG_DONTWAIT);
		else
			n = recv(z->in, NULL, 1 << 20, MSG_TRUNC | MSG_DONTWAIT);
		if (n > 0)
			z->nr_got += n;
	} while (n > 0);
}

/*
 * Submit and be the peer that reads, until the result is there and the kernel
 * has said that it is through with the memory.
 */
static long send_all(struct zc *z)
{
	struct pollfd fds[2] = {
		{ .fd = z->in, .events = POLLIN },
		{ .fd = z->ring.ring_fd, .events = POLLIN },
	};
	bool result = false, more = true;
	struct io_uring_cqe *cqe;
	long sent = io_uring_submit(&z->ring);

	if (sent < 0)
		return sent;
	z->nr_got = 0;
	/* What was copied on the way the kernel is through with before it has arrived. */
	while (!result || more || (long)z->nr_got < sent) {
		if (poll(fds, 2, QUIET_MS) == 0)
			return -ETIMEDOUT;
		receive_some(z);
		while (!io_uring_peek_cqe(&z->ring, &cqe)) {
			if (cqe->flags & IORING_CQE_F_NOTIF) {
				more = false;
			} else {
				sent = cqe->res;
				result = true;
				more = more && cqe->flags & IORING_CQE_F_MORE;
			}
			io_uring_cqe_seen(&z->ring, cqe);
		}
	}
	return sent;
}

/* TCP sends what comes before a bad page, or not, in segments of its choice. */
static long all_or_nothing(long sent, size_t len)
{
	return sent >= 0 && sent < (long)len ? -EFAULT : sent;
}

static void *zc_other_side(struct pin_op *op)
{
	const struct zc *z = op->priv;

	return z->got;
}

static void predict(const struct pin_op *op, struct pin_predict *p)
{
	static const struct pin_access access = { .fast = true };
	struct pin_gup g;

	pin_mem_gup(op->mem, &access, &g);
	p->result = g.err ? g.err : (long)op->mem->len;
	p->or_result = p->result;
}

static long zc_send(struct pin_op *op)
{
	struct zc *z = op->priv;

	io_uring_prep_send_zc(io_uring_get_sqe(&z->ring), z->out, op->mem->addr,
			      op->mem->len, MSG_WAITALL, 0);
	return all_or_nothing(send_all(z), op->mem->len);
}

static long fixed_pin(struct pin_op *op)
{
	struct iovec iov = { op->mem->addr, op->mem->len };
	struct zc *z = op->priv;

	return io_uring_register_buffers(&z->ring, &iov, 1);
}

static long fixed_use(struct pin_op *op)
{
	const size_t len = op->mem->len < FIXED_MAX ? op->mem->len : FIXED_MAX;
	struct zc *z = op->priv;
	long sent;

	io_uring_prep_send_zc_fixed(io_uring_get_sqe(&z->ring), z->out, op->mem->addr,
				    len, MSG_WAITALL, 0, FIXED_INDEX);
	sent = all_or_nothing(send_all(z), len);
	return sent < 0 ? sent : 0;
}

static long fixed_unpin(struct pin_op *op)
{
	struct zc *z = op->priv;

	return io_uring_unregister_buffers(&z->ring);
}

const struct pin_consumer pin_consumer_uring_send_zc = {
	.name = "uring_send_zc",
	.help = "io_uring zero-copy send: no pins, never",
	.exec_hangs = true,
	.path = "io_send_zc > zerocopy_fill_skb_from_iter > iov_iter_get_pages2 (references)",
	.since = "never",
	.doc_case = 1,
	.charged = true,
	.only_read = true,
	.probe = probe,
	.open = zc_open,
	.predict = predict,
	.pin = zc_send,
	.other_side = zc_other_side,
	.close = zc_close,
};

const struct pin_consumer pin_consumer_uring_send_zc_fixed = {
	.name = "uring_send_zc_fixed",
	.help = "io_uring zero-copy send from a fixed buffer",
	.exec_hangs = true,
	.path = "io_sqe_buffer_register > io_pin_pages > pin_user_pages_fast; io_send_zc",
	.since = "6.0",
	.doc_case = 2,
	.held = true,
	.charged = true,
	.probe = probe,
	.open = zc_open,
	.predict = pin_uring_predict,
	.pin = fixed_pin,
	.other_side = zc_other_side,
	.use = fixed_use,
	.unpin = fixed_unpin,
	.close = zc_close,
};
