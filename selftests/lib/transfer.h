/* SPDX-License-Identifier: GPL-2.0 */
/*
 * One transfer between a file and a vector, waited for, by the ways of submitting
 * it that the kernel has, with these RWF_ flags. Each returns bytes or -errno.
 */
#ifndef PIN_TRANSFER_H
#define PIN_TRANSFER_H

#include <stdbool.h>
#include <sys/types.h>
#include <sys/uio.h>

typedef long (*pin_transfer_fn)(int fd, bool write, const struct iovec *iov, unsigned int nr,
				off_t pos, int flags);

long pin_transfer_sync(int fd, bool write, const struct iovec *iov, unsigned int nr, off_t pos,
		       int flags);
long pin_transfer_aio(int fd, bool write, const struct iovec *iov, unsigned int nr, off_t pos,
		      int flags);
/* The same in a context of io_setup() that is there: nothing is mapped meanwhile. */
long pin_transfer_aio_by(unsigned long ctx, int fd, bool write, const struct iovec *iov,
			 unsigned int nr, off_t pos, int flags);
long pin_transfer_uring(int fd, bool write, const struct iovec *iov, unsigned int nr, off_t pos,
			int flags);

/* Through buffers that are registered first: it is the registration that pins. One piece. */
long pin_transfer_fixed(int fd, bool write, const struct iovec *iov, unsigned int nr, off_t pos,
			int flags);

/* The device is asked again and again whether it is done. */
long pin_transfer_polled(int fd, bool write, const struct iovec *iov, unsigned int nr, off_t pos,
			 int flags);

#endif
