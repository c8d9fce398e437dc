// SPDX-License-Identifier: GPL-2.0
/*
 * preadv2(2) with RWF_NOWAIT and O_DIRECT.
 *
 * It may be told to come again: before anything is pinned if a lock is taken
 * or the mapping of the file is not in memory, after pinning if the device's
 * queue is full. The file here is idle and mapped, so the answer is the data;
 * the first kind is asked again, and the second would show as more pins.
 * Memory that was never touched is faulted in all the same: RWF_NOWAIT is
 * about the file.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "dio.h"

#define TRIES	50

static long read_nowait(int fd, void *addr, size_t len)
{
	struct iovec iov = { addr, len };
	long n;

	for (int i = 0; i < TRIES; i++) {
		n = preadv2(fd, &iov, 1, 0, RWF_NOWAIT);
		if (n >= 0 || errno != EAGAIN)
			break;
		usleep(1000);
	}
	return n < 0 ? -errno : n;
}

static int probe(const struct pin_kernel *k, char *why)
{
	int fd = pin_dio_file(k->page_size, why);
	void *page;
	long n;

	if (fd < 0)
		return fd;
	if (posix_memalign(&page, k->page_size, k->page_size)) {
		close(fd);
		return pin_why(why, -ENOMEM, "out of memory");
	}
	n = read_nowait(fd, page, k->page_size);
	free(page);
	close(fd);
	if (n == -EOPNOTSUPP)
		return pin_why(why, n, "no RWF_NOWAIT on the file system at hand: set TMPDIR to another");
	return n < 0 ? pin_why(why, n, "preadv2 with RWF_NOWAIT: %s", strerror(-n)) : 0;
}

static void predict(const struct pin_op *op, struct pin_predict *p)
{
	pin_dio_predict(op, true, p);
}

static long pin(struct pin_op *op)
{
	return read_nowait((intptr_t)op->priv, op->mem->addr, op->mem->len);
}

const struct pin_consumer pin_consumer_dio_nowait = {
	.name = "dio_nowait",
	.help = "preadv2 with O_DIRECT and RWF_NOWAIT",
	.path = "bio_iov_iter_get_pages > iov_iter_extract_pages > pin_user_pages_fast",
	.since = "6.5",
	.doc_case = 1,
	.retries = true,
	.dirties = true,
	.probe = probe,
	.open = pin_dio_open,
	.predict = predict,
	.pin = pin,
	.close = pin_dio_close,
};
