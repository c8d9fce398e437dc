// SPDX-License-Identifier: GPL-2.0
/*
 * io_submit(2) with O_DIRECT, as libaio does it: pinned when submitted,
 * released when done, perhaps a moment after io_getevents() has told so.
 */
#include <errno.h>
#include <linux/aio_abi.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "dio.h"

struct aio {
	int fd;
	aio_context_t ctx;
};

static int probe(const struct pin_kernel *k, char *why)
{
	aio_context_t ctx = 0;

	if (syscall(__NR_io_setup, 1, &ctx))
		return pin_why(why, -errno, errno == EAGAIN ?
			       "no room for an aio context: raise /proc/sys/fs/aio-max-nr" :
			       "no io_setup: kernel option AIO");
	syscall(__NR_io_destroy, ctx);
	return pin_dio_probe(k, why);
}

static void aio_close(struct pin_op *op)
{
	struct aio *a = op->priv;

	if (!a)
		return;
	if (a->ctx)
		syscall(__NR_io_destroy, a->ctx);
	if (a->fd >= 0)
		close(a->fd);
	free(a);
	op->priv = NULL;
}

static int aio_open(struct pin_op *op)
{
	struct aio *a = calloc(1, sizeof(*a));
	int err = 0;

	if (!a)
		return pin_why(op->why, -ENOMEM, "out of memory");
	op->priv = a;
	a->fd = pin_dio_file(op->mem->len, op->why);
	if (a->fd < 0)
		err = a->fd;
	else if (syscall(__NR_io_setup, 1, &a->ctx))
		err = pin_why(op->why, -errno, "io_setup: %s: see /proc/sys/fs/aio-max-nr",
			      strerror(errno));
	if (err)
		aio_close(op);
	return err;
}

static long transfer(struct pin_op *op, unsigned int opcode)
{
	struct aio *a = op->priv;
	struct iocb cb = {
		.aio_lio_opcode = opcode,
		.aio_fildes = a->fd,
		.aio_buf = (uintptr_t)op->mem->addr,
		.aio_nbytes = op->mem->len,
	}, *list = &cb;
	struct io_event event;
	long n;

	if (syscall(__NR_io_submit, a->ctx, 1, &list) != 1)
		return -errno;
	do {
		n = syscall(__NR_io_getevents, a->ctx, 1, 1, &event, NULL);
	} while (n < 0 && errno == EINTR);
	return n == 1 ? (long)event.res : -errno;
}

static void predict_read(const struct pin_op *op, struct pin_predict *p)
{
	pin_dio_predict(op, true, p);
}

static void predict_write(const struct pin_op *op, struct pin_predict *p)
{
	pin_dio_predict(op, false, p);
}

static long aio_read(struct pin_op *op)
{
	return transfer(op, IOCB_CMD_PREAD);
}

static long aio_write(struct pin_op *op)
{
	return transfer(op, IOCB_CMD_PWRITE);
}

const struct pin_consumer pin_consumer_aio_read = {
	.name = "aio_read",
	.help = "io_submit of a read with O_DIRECT",
	.path = "aio_read > bio_iov_iter_get_pages > iov_iter_extract_pages > pin_user_pages_fast",
	.since = "6.5",
	.doc_case = 1,
	.dirties = true,
	.probe = probe,
	.open = aio_open,
	.predict = predict_read,
	.pin = aio_read,
	.close = aio_close,
};

const struct pin_consumer pin_consumer_aio_write = {
	.name = "aio_write",
	.help = "io_submit of a write with O_DIRECT",
	.path = "aio_write > bio_iov_iter_get_pages > iov_iter_extract_pages > pin_user_pages_fast",
	.since = "6.5",
	.doc_case = 1,
	.only_read = true,
	.probe = probe,
	.open = aio_open,
	.predict = predict_write,
	.pin = aio_write,
	.close = aio_close,
};
