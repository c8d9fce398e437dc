// SPDX-License-Identifier: GPL-2.0
/*
 * IORING_OP_READ and IORING_OP_WRITE with O_DIRECT on the file system at hand:
 * pinned from submission to completion; and the same on a ring that looks for
 * completions itself (IORING_SETUP_IOPOLL). That one reads no more than the
 * device takes in one request, in bytes and in segments: a request that is split
 * is not polled, and 6.1 never completes it.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "dio.h"
#include "uring.h"

struct rw {
	struct io_uring ring;
	int fd;
	size_t len;		/* of the transfer */
};

static int rw_init(struct rw *rw, size_t len, unsigned int flags, char *why)
{
	int err = pin_uring_new(&rw->ring, flags, why);

	if (err)
		return err;
	rw->fd = pin_dio_file(len, why);
	if (rw->fd < 0)
		io_uring_queue_exit(&rw->ring);
	return rw->fd < 0 ? rw->fd : 0;
}

static void rw_exit(struct rw *rw)
{
	io_uring_queue_exit(&rw->ring);
	close(rw->fd);
}

static int open_flags(struct pin_op *op, unsigned int flags)
{
	struct rw *rw = calloc(1, sizeof(*rw));
	int err = rw ? rw_init(rw, op->mem->len, flags, op->why) : -ENOMEM;

	if (err) {
		free(rw);
		return err;
	}
	rw->len = op->mem->len;
	op->priv = rw;
	return 0;
}

static int rw_open(struct pin_op *op)
{
	return open_flags(op, 0);
}

static int iopoll_open(struct pin_op *op)
{
	int err = open_flags(op, IORING_SETUP_IOPOLL);
	struct rw *rw = op->priv;
	size_t max, segments;

	if (err)
		return err;
	max = pin_dio_queue(rw->fd, "max_sectors_kb") * 1024 & ~(op->kernel->page_size - 1);
	/* Each page may be a segment of its own, and there is one more if it is not aligned. */
	segments = pin_dio_queue(rw->fd, "max_segments");
	if (segments > 1 && max > (segments - 1) * op->kernel->page_size)
		max = (segments - 1) * op->kernel->page_size;
	if (max && rw->len > max)
		rw->len = max;
	return 0;
}

static void rw_close(struct pin_op *op)
{
	if (!op->priv)
		return;
	rw_exit(op->priv);
	free(op->priv);
	op->priv = NULL;
}

static int probe(const struct pin_kernel *k, char *why)
{
	int err = pin_uring_probe_op(IORING_OP_READ, "IORING_OP_READ", "5.6", why);

	return err ? err : pin_dio_probe(k, why);
}

static int iopoll_probe(const struct pin_kernel *k, char *why)
{
	struct rw rw;
	int err = rw_init(&rw, k->page_size, IORING_SETUP_IOPOLL, why);

	if (err)
		return err;
	if (!pin_dio_queue(rw.fd, "io_poll"))
		err = pin_why(why, -EOPNOTSUPP, "the device of %s has no queues to poll: boot with nvme.poll_queues=1 or virtio_blk.poll_queues=1, or set TMPDIR to a file system on such a device",
			      pin_file_dir());
	rw_exit(&rw);
	return err;
}

static void predict_read(const struct pin_op *op, struct pin_predict *p)
{
	pin_dio_predict(op, true, p);
}

static void predict_write(const struct pin_op *op, struct pin_predict *p)
{
	pin_dio_predict(op, false, p);
}

static void predict_iopoll(const struct pin_op *op, struct pin_predict *p)
{
	const struct rw *rw = op->priv;
	struct pin_mem head = pin_uring_head(op->mem, rw->len);
	struct pin_op head_op = *op;

	head_op.mem = &head;
	pin_dio_predict(&head_op, true, p);
}

static long rw_read(struct pin_op *op)
{
	struct rw *rw = op->priv;

	io_uring_prep_read(io_uring_get_sqe(&rw->ring), rw->fd, op->mem->addr,
			   rw->len, 0);
	return pin_uring_submit_one(&rw->ring);
}

static long rw_write(struct pin_op *op)
{
	struct rw *rw = op->priv;

	io_uring_prep_write(io_uring_get_sqe(&rw->ring), rw->fd, op->mem->addr,
			    rw->len, 0);
	return pin_uring_submit_one(&rw->ring);
}

const struct pin_consumer pin_consumer_uring_read = {
	.name = "uring_read",
	.help = "io_uring read with O_DIRECT",
	.path = "io_read > bio_iov_iter_get_pages > iov_iter_extract_pages > pin_user_pages_fast",
	.since = "6.5",
	.doc_case = 1,
	.retries = true,
	.dirties = true,
	.probe = probe,
	.open = rw_open,
	.predict = predict_read,
	.pin = rw_read,
	.close = rw_close,
};

const struct pin_consumer pin_consumer_uring_write = {
	.name = "uring_write",
	.help = "io_uring write with O_DIRECT",
	.path = "io_write > bio_iov_iter_get_pages > iov_iter_extract_pages > pin_user_pages_fast",
	.since = "6.5",
	.doc_case = 1,
	.only_read = true,
	.retries = true,
	.probe = probe,
	.open = rw_open,
	.predict = predict_write,
	.pin = rw_write,
	.close = rw_close,
};

const struct pin_consumer pin_consumer_uring_iopoll = {
	.name = "uring_iopoll",
	.help = "io_uring read with O_DIRECT, completions polled for",
	.path = "io_read > bio_iov_iter_get_pages > iov_iter_extract_pages > pin_user_pages_fast",
	.since = "6.5",
	.doc_case = 1,
	.retries = true,
	.dirties = true,
	.probe = iopoll_probe,
	.open = iopoll_open,
	.predict = predict_iopoll,
	.pin = rw_read,
	.close = rw_close,
};
