// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <liburing.h>
#include <linux/aio_abi.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "transfer.h"

long pin_transfer_sync(int fd, bool write, const struct iovec *iov, unsigned int nr, off_t pos,
		       int flags)
{
	long n = write ? pwritev2(fd, iov, nr, pos, flags) : preadv2(fd, iov, nr, pos, flags);

	return n < 0 ? -errno : n;
}

long pin_transfer_aio_by(unsigned long ctx, int fd, bool write, const struct iovec *iov,
			 unsigned int nr, off_t pos, int flags)
{
	struct iocb cb = {
		.aio_lio_opcode = write ? IOCB_CMD_PWRITEV : IOCB_CMD_PREADV,
		.aio_fildes = fd,
		.aio_buf = (uintptr_t)iov,
		.aio_nbytes = nr,
		.aio_offset = pos,
		.aio_rw_flags = flags,
	}, *list = &cb;
	struct io_event event;

	if (syscall(__NR_io_submit, ctx, 1, &list) != 1)
		return -errno;
	while (syscall(__NR_io_getevents, ctx, 1, 1, &event, NULL) != 1) {
		if (errno != EINTR)
			return -errno;
	}
	return event.res;
}

long pin_transfer_aio(int fd, bool write, const struct iovec *iov, unsigned int nr, off_t pos,
		      int flags)
{
	aio_context_t ctx = 0;
	long n;

	if (syscall(__NR_io_setup, 1, &ctx))
		return -errno;
	n = pin_transfer_aio_by(ctx, fd, write, iov, nr, pos, flags);
	syscall(__NR_io_destroy, ctx);
	return n;
}

/* Submit the one request that @ring has, and wait for it. */
static long complete(struct io_uring *ring)
{
	struct io_uring_cqe *cqe;
	long n = io_uring_submit(ring);

	if (n != 1)
		return n;
	do {
		n = io_uring_wait_cqe(ring, &cqe);
	} while (n == -EINTR);
	if (!n) {
		n = cqe->res;
		io_uring_cqe_seen(ring, cqe);
	}
	return n;
}

static long by_uring(unsigned int setup, int fd, bool write, const struct iovec *iov,
		     unsigned int nr, off_t pos, int flags)
{
	struct io_uring_sqe *sqe;
	struct io_uring ring;
	long n;

	n = io_uring_queue_init(2, &ring, setup);
	if (n)
		return n;
	sqe = io_uring_get_sqe(&ring);
	if (write)
		io_uring_prep_writev(sqe, fd, iov, nr, pos);
	else
		io_uring_prep_readv(sqe, fd, iov, nr, pos);
	sqe->rw_flags = flags;
	n = complete(&ring);
	io_uring_queue_exit(&ring);
	return n;
}

long pin_transfer_uring(int fd, bool write, const struct iovec *iov, unsigned int nr, off_t pos,
			int flags)
{
	return by_uring(0, fd, write, iov, nr, pos, flags);
}

long pin_transfer_polled(int fd, bool write, const struct iovec *iov, unsigned int nr, off_t pos,
			 int flags)
{
	return by_uring(IORING_SETUP_IOPOLL, fd, write, iov, nr, pos, flags);
}

long pin_transfer_fixed(int fd, bool write, const struct iovec *iov, unsigned int nr, off_t pos,
			int flags)
{
	struct io_uring_sqe *sqe;
	struct io_uring ring;
	long n;

	n = io_uring_queue_init(2, &ring, 0);
	if (n)
		return n;
	n = io_uring_register_buffers(&ring, iov, nr);
	if (!n) {
		sqe = io_uring_get_sqe(&ring);
		if (write)
			io_uring_prep_write_fixed(sqe, fd, iov->iov_base, iov->iov_len, pos, 0);
		else
			io_uring_prep_read_fixed(sqe, fd, iov->iov_base, iov->iov_len, pos, 0);
		sqe->rw_flags = flags;
		n = complete(&ring);
	}
	io_uring_queue_exit(&ring);
	return n;
}
